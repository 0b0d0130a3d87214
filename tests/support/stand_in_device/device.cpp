// The stand-in as the device of a test: its tensors are LibTorch's on it, its kernels those of a GPU compiled
// for the host, its collectives those of NcclCommunicator over the stand-in for NCCL.

#include <cstring>
#include <utility>

#include "weft/core/error.hpp"

#include "comm/nccl/nccl_communicator.hpp"
#include "comm/nccl/nccl_stand_in.hpp"
#include "support/device_under_test.hpp"
#include "support/mpi_main.hpp"
#include "support/stand_in_device/kernels.hpp"
#include "support/stand_in_device/stand_in_device.hpp"
#include "support/stand_in_device/stand_in_memory.hpp"

namespace weft {
namespace {

constexpr std::int64_t kBytes = std::int64_t{1} << 30;

class RecordedOnStandIn final : public RecordedWork {
 public:
  explicit RecordedOnStandIn(const std::function<void()>& work) : graph_(work) {}
  void replay() override { graph_.replay(); }
  std::size_t operations() const override { return graph_.size(); }

 private:
  stand_in::RecordedGraph graph_;
};

class StandInDevice final : public Device {
 public:
  StandInDevice() : nccl_(test_world()) {
    nccl_.host_of = [](const void* device) { return stand_in::host_address(device); };
    nccl_.run = [](std::function<void()> work) { stand_in::run_kernel(std::move(work)); };
  }

  bool is_host() const override { return false; }
  std::string torch_name() const override { return stand_in::stand_in_device().str(); }
  DeviceDescription description() const override { return {"stand-in", "stand-in-0", kBytes, kBytes}; }
  const Kernels& kernels() const override { return *kernels_; }
  std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> control) override {
    return std::make_unique<NcclCommunicator>(stream_, std::move(control));
  }

  DeviceMemory allocate(std::size_t bytes) override {
    require(!stand_in::is_recording(), "memory from outside a graph's own pool");
    std::shared_ptr<stand_in::Memory::Block> block =
        stand_in::Memory::instance().allocate(bytes == 0 ? 1 : bytes);
    void* const address = block->device();
    return {address, [block = std::move(block)](void*) {}};
  }
  void copy_in(void* to, const void* from, std::size_t bytes) override {
    require(!stand_in::is_recording(), "a copy from the host while a graph is recorded");
    if (bytes > 0) std::memcpy(stand_in::host_address(to), from, bytes);
  }
  void copy_out(void* to, const void* from, std::size_t bytes) override {
    require(!stand_in::is_recording(), "a copy to the host while a graph is recorded");
    if (bytes > 0) std::memcpy(to, stand_in::host_address(from), bytes);
  }

  std::unique_ptr<RecordedWork> record(std::function<void()> work) override {
    return std::make_unique<RecordedOnStandIn>(work);
  }
  void synchronize() override {
    require(!stand_in::is_recording(), "a wait while a graph is recorded");
    stream_->wait();
  }

 private:
  NcclStandIn nccl_;
  std::shared_ptr<NcclStream> stream_ = std::make_shared<NcclStream>(nccl_.api(), nullptr, [] {
    return stand_in::is_recording() ? StreamState::recording : StreamState::done;
  });
  std::unique_ptr<Kernels> kernels_ = stand_in::stand_in_kernels();
};

}  // namespace

std::unique_ptr<Device> open_device_under_test() { return std::make_unique<StandInDevice>(); }

}  // namespace weft
