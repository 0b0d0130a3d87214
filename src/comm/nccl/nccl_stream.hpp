#pragma once

#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "comm/nccl/nccl_api.hpp"

namespace weft {

/// How a wait for NCCL passes the time; a test puts its own in.
struct NcclClock {
  std::function<double()> now;  ///< [s]
  std::function<void()> pause;  ///< a moment
  double patience_s = 600;      ///< after which a wait for other ranks is given up
};
NcclClock steady_nccl_clock();

/// What a device's stream is at. Nobody waits for one that is being recorded: its work starts later.
enum class StreamState { done, busy, recording };

/// One of NCCL's communicators, as its stream knows it.
struct NcclEndpoint {
  ncclComm_t comm = nullptr;  ///< null before it is made and after an abort
  int rank = 0;
  int size = 1;
  std::string call;  ///< the last that was made
};

/// A recording of the stream's work, which may hold collectives. NCCL ends no communicator, be it by an
/// abort, while there is a recording with collectives of it.
class NcclRecording {
 public:
  virtual ~NcclRecording() = default;
  /// Gives up what was recorded, finished or not, for good.
  virtual void drop() noexcept = 0;
};

/// A device's stream and all of NCCL's communicators whose collectives run in it. Waits are polls, of the
/// stream and of the communicators, so that a rank or a network that is gone ends in a UserError and not in a
/// kernel that hangs: after the first failure all recordings are dropped, all communicators are aborted, in
/// the order they were made, and every later wait fails with the same error. Local.
class NcclStream {
 public:
  /// `state` asks the device; what it throws is a failure too. `api` must outlive the object.
  NcclStream(const NcclApi& api, cudaStream_t stream, std::function<StreamState()> state,
             NcclClock clock = steady_nccl_clock());
  NcclStream(const NcclStream&) = delete;
  NcclStream& operator=(const NcclStream&) = delete;

  const NcclApi& api() const { return api_; }
  cudaStream_t stream() const { return stream_; }

  /// Waits until all work in the stream is done; returns at once while it is being recorded.
  /// @throws UserError, after an abort, where a communicator reports an error, or where there are other ranks
  /// to wait for and patience is over.
  void wait();

  /// The caller takes it out again with `leave` before it ends.
  void enter(NcclEndpoint& endpoint) { endpoints_.push_back(&endpoint); }
  void leave(NcclEndpoint& endpoint) { std::erase(endpoints_, &endpoint); }
  /// Before anything is recorded; likewise.
  void enter(NcclRecording& recording) { recordings_.push_back(&recording); }
  void leave(NcclRecording& recording) { std::erase(recordings_, &recording); }

  /// Throws a failure that came before again, which whoever met it may have kept to himself.
  void require_alive() const;
  /// Waits until the last call on `endpoint`, which returned `code`, has been taken up, as non-blocking
  /// communicators have it. @throws as `fail`, and a UserError, after an abort, where patience is over.
  void settle(NcclEndpoint& endpoint, ncclResult_t code);
  /// Aborts, and throws on the last call of `endpoint`: InternalError where the call was wrong, else
  /// UserError.
  [[noreturn]] void fail(const NcclEndpoint& endpoint, ncclResult_t code);
  /// Waits for the other ranks and ends a communicator; aborts it where they do not come.
  void finish(NcclEndpoint& endpoint);

 private:
  StreamState state();
  void look_for_errors();
  void give_up();
  [[noreturn]] void fail_late(const NcclEndpoint& endpoint);
  std::string with_last_error(const NcclEndpoint& endpoint, std::string_view found) const;
  /// Keeps the first failure, aborts and throws it.
  [[noreturn]] void end_with(std::exception_ptr failure);
  void drop_recordings();
  /// Ends what is under way on this rank, in all communicators.
  void abort();

  const NcclApi& api_;
  cudaStream_t stream_;
  std::function<StreamState()> state_;
  NcclClock clock_;
  std::vector<NcclEndpoint*> endpoints_;
  std::vector<NcclRecording*> recordings_;
  std::exception_ptr failure_;  ///< the first; null while there is none
};

}  // namespace weft
