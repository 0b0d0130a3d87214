#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "weft/comm/communicator.hpp"

#include "comm/nccl/nccl_api.hpp"

namespace weft {

/// How a wait for NCCL passes the time; a test puts its own in.
struct NcclClock {
  std::function<double()> now;  ///< [s]
  std::function<void()> pause;  ///< a moment
  double patience_s = 120;      ///< after which a wait is given up
};
NcclClock steady_nccl_clock();

/// Collectives on device memory by NCCL, in the order of `stream`, and on host memory by `control`, over the
/// same ranks. NCCL's communicator is non-blocking: every call is polled, and a failure or a wait that is
/// given up aborts it, so that no rank hangs in a kernel. Blocks of unequal size are gathered and scattered
/// by grouped broadcasts and reductions, equal ones by NCCL's own calls.
class NcclCommunicator final : public Communicator {
 public:
  /// @collective over `control`. `api` must outlive the object. @throws UserError on all ranks where NCCL
  /// fails on one.
  NcclCommunicator(const NcclApi& api, std::unique_ptr<Communicator> control, cudaStream_t stream,
                   NcclClock clock);
  ~NcclCommunicator() override;

  int rank() const override { return control_->rank(); }
  int size() const override { return control_->size(); }
  Pending all_reduce(Buffer values, Reduction reduction) override;
  Pending all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) override;
  Pending reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) override;
  Pending broadcast(Buffer values, int root) override;
  void barrier() override { control_->barrier(); }
  std::unique_ptr<Communicator> split(int color) override;

  /// Whether what was started has failed since. @throws UserError, after an abort, where it has.
  void check();
  /// Ends what is under way, on this rank.
  void abort();

 private:
  void connect();
  void settle(std::string_view call, ncclResult_t code);
  [[noreturn]] void fail(std::string_view call, std::string_view found);
  template <typename Calls>
  void grouped(std::string_view call, Calls calls);

  const NcclApi& api_;
  std::unique_ptr<Communicator> control_;
  cudaStream_t stream_;
  NcclClock clock_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace weft
