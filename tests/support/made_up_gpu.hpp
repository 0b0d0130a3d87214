#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "weft/device/device.hpp"

namespace weft {

/// The host, which calls itself a GPU.
class MadeUpGpu : public Device {
 public:
  explicit MadeUpGpu(std::string uuid, std::int64_t free_bytes = 0)
      : uuid_(std::move(uuid)), free_bytes_(free_bytes) {}

  bool is_host() const override { return false; }
  std::string torch_name() const override { return "cuda:0"; }
  DeviceDescription description() const override { return {"made-up GPU", uuid_, free_bytes_, free_bytes_}; }
  const Kernels& kernels() const override { return host_->kernels(); }
  std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> control) override { return control; }
  DeviceMemory allocate(std::size_t bytes) override { return host_->allocate(bytes); }
  void copy_in(void* to, const void* from, std::size_t bytes) override { host_->copy_in(to, from, bytes); }
  void copy_out(void* to, const void* from, std::size_t bytes) override { host_->copy_out(to, from, bytes); }
  std::unique_ptr<RecordedWork> record(std::function<void()> work) override {
    return host_->record(std::move(work));
  }
  void synchronize() override {}

 private:
  std::string uuid_;
  std::int64_t free_bytes_;
  std::unique_ptr<Device> host_ = make_host_device();
};

}  // namespace weft
