#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weft/core/error.hpp"
#include "weft/device/device.hpp"

namespace weft {

/// An array in a device's memory, uninitialised. Local.
template <typename T>
class DeviceArray {
 public:
  /// @throws UserError where the device's memory is used up.
  DeviceArray(Device& device, std::int64_t count)
      : device_(device), count_(count), memory_(device.allocate(bytes(count))) {}
  DeviceArray(Device& device, std::span<const T> values)
      : DeviceArray(device, static_cast<std::int64_t>(values.size())) {
    put(0, values);
  }

  /// On the device.
  T* data() const { return static_cast<T*>(memory_.get()); }
  std::int64_t count() const { return count_; }

  /// As a communicator of the device takes elements [first, first + count).
  Buffer buffer(std::int64_t first, std::int64_t count) {
    Buffer values(std::span(data() + first, static_cast<std::size_t>(count)));
    values.memory = device_.is_host() ? Memory::host : Memory::device;
    return values;
  }

  void put(std::int64_t first, std::span<const T> values) {
    require(first + static_cast<std::int64_t>(values.size()) <= count_, "more than an array holds");
    device_.copy_in(data() + first, values.data(), values.size_bytes());
  }
  /// Elements [first, first + count) for the host, after all work so far, until the next call: in place where
  /// the device is the host, otherwise in a copy, whose other elements stay as they are.
  T* fetch(std::int64_t first, std::int64_t count) {
    require(first + count <= count_, "more than an array holds");
    if (device_.is_host()) return data() + first;
    copy_.resize(static_cast<std::size_t>(count_));
    device_.copy_out(copy_.data() + first, data() + first, bytes(count));
    return copy_.data() + first;
  }

 private:
  static std::size_t bytes(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(T); }

  Device& device_;
  std::int64_t count_;
  DeviceMemory memory_;
  std::vector<T> copy_;
};

}  // namespace weft
