// The contract of Communicator, held against NcclCommunicator over the stand-in for NCCL: buffers are
// declared to be device memory, which for the stand-in is the host's.

#include <memory>
#include <utility>

#include "comm/nccl/nccl_communicator.hpp"
#include "nccl_stand_in.hpp"
#include "support/mpi_main.hpp"
#include "world_under_test.hpp"

namespace weft {
namespace {

Buffer on_device(Buffer buffer) {
  buffer.memory = Memory::device;
  return buffer;
}

class OnDevice final : public Communicator {
 public:
  explicit OnDevice(std::unique_ptr<Communicator> ranks) : ranks_(std::move(ranks)) {}

  int rank() const override { return ranks_->rank(); }
  int size() const override { return ranks_->size(); }
  Pending all_reduce(Buffer values, Reduction reduction) override {
    // NCCL has no maximum of numbers that may be NaN.
    const bool on_host = reduction == Reduction::max &&
                         (values.type == ScalarType::float32 || values.type == ScalarType::float64);
    return ranks_->all_reduce(on_host ? values : on_device(values), reduction);
  }
  Pending all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) override {
    return ranks_->all_gather(on_device(own), on_device(gathered), counts);
  }
  Pending reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) override {
    return ranks_->reduce_scatter(on_device(blocks), on_device(own), counts);
  }
  Pending broadcast(Buffer values, int root) override { return ranks_->broadcast(on_device(values), root); }
  void barrier() override { ranks_->barrier(); }
  std::unique_ptr<Communicator> split(int color) override {
    return std::make_unique<OnDevice>(ranks_->split(color));
  }

 private:
  std::unique_ptr<Communicator> ranks_;
};

}  // namespace

Communicator& world_under_test() {
  // Neither is ever destroyed: MPI ends before statics do.
  static auto* const nccl = new NcclStandIn(test_world());
  static auto* const world = new OnDevice(std::make_unique<NcclCommunicator>(
      std::make_shared<NcclStream>(nccl->api(), nullptr, [] { return StreamState::done; }),
      test_world().split(0)));
  return *world;
}
bool world_adds_in_rank_order() { return true; }

}  // namespace weft
