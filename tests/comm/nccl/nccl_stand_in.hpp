#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weft/comm/communicator.hpp"

#include "comm/nccl/nccl_api.hpp"

namespace weft {

/// NCCL's calls made to work between the ranks of a test, on host memory, over MPI; what is asked in a group
/// is done at its end, as NCCL does it. Every call is recorded. A communicator reports "in progress" a few
/// times before it is ready, as a non-blocking one does, and a failure can be put in.
class NcclStandIn {
 public:
  /// Whoever makes a communicator here does so on this group of ranks. One object at a time.
  explicit NcclStandIn(Communicator& ranks);
  ~NcclStandIn();

  const NcclApi& api() const;
  /// Names of the calls that this rank made, in order.
  std::vector<std::string> calls;
  /// Numbers of the communicators that were aborted, counted from 0 as they were made.
  std::vector<int> aborted;
  /// How often a call reports "in progress" before it is done; -1: for ever.
  int polls = 2;
  /// What the next call of this name returns in place of success.
  std::string failing_call;
  ncclResult_t failure = ncclSystemError;
  /// What a look at the asynchronous error gives, if not success.
  ncclResult_t async_failure = ncclSuccess;
  /// Recordings that hold collectives. NCCL ends no communicator before them: a finalize stays in progress,
  /// and an abort, which would hang, fails the test.
  int recordings = 0;
  /// Where the host finds what a pointer given to NCCL stands for.
  std::function<void*(const void*)> host_of = [](const void* data) { return const_cast<void*>(data); };
  /// Gets what a group of calls moves, once the group has ended. It may be kept and run any number of times,
  /// by all ranks alike; it holds the ranks and the translated addresses.
  std::function<void(std::function<void()>)> run = [](const std::function<void()>& movement) { movement(); };
  /// All that were made, for some are never ended.
  std::vector<std::shared_ptr<void>> communicators;
};

}  // namespace weft
