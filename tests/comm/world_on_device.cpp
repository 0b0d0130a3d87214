// The contract of Communicator, held against a device's own: what a test gives lies in host memory, and is
// copied to the device before a collective and back after it.

#include <memory>
#include <utility>
#include <vector>

#include "support/device_under_test.hpp"
#include "support/mpi_main.hpp"
#include "world_under_test.hpp"

namespace weft {
namespace {

std::size_t bytes_of(const Buffer& buffer) {
  switch (buffer.type) {
    case ScalarType::float32:
      return 4 * buffer.count;
    case ScalarType::float64:
    case ScalarType::int64:
      return 8 * buffer.count;
    case ScalarType::byte:
      return buffer.count;
  }
  return 0;
}

bool may_be_nan(const Buffer& buffer) {
  return buffer.type == ScalarType::float32 || buffer.type == ScalarType::float64;
}

class OnDevice final : public Communicator {
 public:
  explicit OnDevice(std::unique_ptr<Communicator> ranks) : ranks_(std::move(ranks)) {}

  int rank() const override { return ranks_->rank(); }
  int size() const override { return ranks_->size(); }
  Pending all_reduce(Buffer values, Reduction reduction) override {
    // NCCL has no maximum of numbers that may be NaN.
    if (reduction == Reduction::max && may_be_nan(values)) return ranks_->all_reduce(values, reduction);
    const Copy copy(values);
    return finish(ranks_->all_reduce(copy.there, reduction), {copy});
  }
  Pending all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) override {
    const Copy from(own), to(gathered);
    return finish(ranks_->all_gather(from.there, to.there, counts), {from, to});
  }
  Pending reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) override {
    const Copy from(blocks), to(own);
    return finish(ranks_->reduce_scatter(from.there, to.there, counts), {from, to});
  }
  Pending broadcast(Buffer values, int root) override {
    const Copy copy(values);
    return finish(ranks_->broadcast(copy.there, root), {copy});
  }
  void barrier() override { ranks_->barrier(); }
  std::unique_ptr<Communicator> split(int color) override {
    return std::make_unique<OnDevice>(ranks_->split(color));
  }

 private:
  struct Copy {
    explicit Copy(Buffer host)
        : here(host),
          there(host),
          memory(std::make_shared<DeviceMemory>(device_under_test().allocate(bytes_of(host)))) {
      there.data = memory->get();
      there.memory = Memory::device;
      device_under_test().copy_in(there.data, here.data, bytes_of(here));
    }
    Buffer here, there;
    std::shared_ptr<DeviceMemory> memory;
  };

  /// Copies all back in the end, so that a change of what may only be read shows.
  static Pending finish(Pending pending, std::vector<Copy> copies) {
    return Pending([pending = std::make_shared<Pending>(std::move(pending)), copies = std::move(copies)] {
      pending->wait();
      for (const Copy& copy : copies)
        device_under_test().copy_out(copy.here.data, copy.there.data, bytes_of(copy.here));
    });
  }

  std::unique_ptr<Communicator> ranks_;
};

}  // namespace

Communicator& world_under_test() {
  // Never destroyed: MPI ends before statics do.
  static auto* const world = new OnDevice(device_world().split(0));
  return *world;
}
bool world_adds_in_rank_order() { return false; }

}  // namespace weft
