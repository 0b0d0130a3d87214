#pragma once

#include <memory>
#include <string_view>

#include "weft/comm/communicator.hpp"

#include "comm/nccl/nccl_stream.hpp"

namespace weft {

/// Collectives on device memory by NCCL, in the order of a stream, and on host memory by `control`, over the
/// same ranks. NCCL's communicator is non-blocking: every call is polled until it is taken up, and the wait
/// for what it moves is NcclStream::wait. Maxima of floating-point numbers are for host memory alone. Once
/// any communicator of the stream has failed, all are aborted.
///
/// Blocks of equal size are gathered and scattered by NCCL's own calls, unequal ones by one broadcast or
/// reduction a rank, in a group. Padding to the largest block was the alternative; grouped calls need no
/// memory and no copies beside the blocks themselves. Which is faster has not been measured.
class NcclCommunicator final : public Communicator {
 public:
  /// @collective over `control`. @throws UserError on all ranks where NCCL fails on one.
  NcclCommunicator(std::shared_ptr<NcclStream> stream, std::unique_ptr<Communicator> control);
  ~NcclCommunicator() override;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  int rank() const override { return control_->rank(); }
  int size() const override { return control_->size(); }
  Pending all_reduce(Buffer values, Reduction reduction) override;
  Pending all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) override;
  Pending reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) override;
  Pending broadcast(Buffer values, int root) override;
  void barrier() override { control_->barrier(); }
  std::unique_ptr<Communicator> split(int color) override;

 private:
  void connect();
  template <typename Calls>
  Pending grouped(std::string_view call, Calls calls);

  std::shared_ptr<NcclStream> stream_;
  std::unique_ptr<Communicator> control_;
  const NcclApi& api_;
  NcclEndpoint endpoint_;
};

}  // namespace weft
