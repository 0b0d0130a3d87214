#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "support/device_under_test.hpp"

namespace weft {

/// The device under test, as if so much of its memory were free.
class DeviceWithRoom final : public Device {
 public:
  explicit DeviceWithRoom(std::int64_t free_bytes) : free_bytes_(free_bytes) {}

  bool is_host() const override { return device_.is_host(); }
  std::string torch_name() const override { return device_.torch_name(); }
  DeviceDescription description() const override {
    DeviceDescription description = device_.description();
    description.free_bytes = free_bytes_;
    return description;
  }
  const Kernels& kernels() const override { return device_.kernels(); }
  std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> control) override {
    return device_.connect(std::move(control));
  }
  DeviceMemory allocate(std::size_t bytes) override { return device_.allocate(bytes); }
  void copy_in(void* to, const void* from, std::size_t bytes) override { device_.copy_in(to, from, bytes); }
  void copy_out(void* to, const void* from, std::size_t bytes) override { device_.copy_out(to, from, bytes); }
  std::unique_ptr<RecordedWork> record(std::function<void()> work) override {
    return device_.record(std::move(work));
  }
  void synchronize() override { device_.synchronize(); }

 private:
  Device& device_ = device_under_test();
  std::int64_t free_bytes_;
};

}  // namespace weft
