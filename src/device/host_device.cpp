#include <cstring>
#include <new>
#include <utility>

#include <sys/sysinfo.h>

#include "weft/device/device.hpp"

namespace weft {
namespace {

constexpr std::align_val_t kCacheLine{64};

class RepeatedWork final : public RecordedWork {
 public:
  explicit RepeatedWork(std::function<void()> work) : work_(std::move(work)) {}
  void replay() override { work_(); }
  std::size_t operations() const override { return 1; }

 private:
  std::function<void()> work_;
};

class HostDevice final : public Device {
 public:
  bool is_host() const override { return true; }
  std::string torch_name() const override { return "cpu"; }
  DeviceDescription description() const override {
    struct sysinfo memory {};
    sysinfo(&memory);
    const auto unit = static_cast<std::int64_t>(memory.mem_unit);
    return {"host", "", static_cast<std::int64_t>(memory.totalram) * unit,
            static_cast<std::int64_t>(memory.freeram + memory.bufferram) * unit};
  }

  const Kernels& kernels() const override { return host_kernels(); }
  std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> control) override { return control; }

  DeviceMemory allocate(std::size_t bytes) override {
    return {::operator new(bytes, kCacheLine), [](void* memory) { ::operator delete(memory, kCacheLine); }};
  }
  void copy_in(void* to, const void* from, std::size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy_out(void* to, const void* from, std::size_t bytes) override { std::memcpy(to, from, bytes); }

  std::unique_ptr<RecordedWork> record(std::function<void()> work) override {
    return std::make_unique<RepeatedWork>(std::move(work));
  }
  void synchronize() override {}
};

}  // namespace

std::unique_ptr<Device> make_host_device() { return std::make_unique<HostDevice>(); }

}  // namespace weft
