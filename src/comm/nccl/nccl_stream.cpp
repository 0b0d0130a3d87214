#include "comm/nccl/nccl_stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

/// So many looks come without a pause between them, which would take longer than a short collective.
constexpr int kLooksWithoutPause = 1000;

std::string not_done_within(double seconds) {
  return fmt::format("not done within {:g} s: a rank or its network is gone", seconds);
}

}  // namespace

NcclClock steady_nccl_clock() {
  return {[] {
            return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
          },
          [] { std::this_thread::sleep_for(std::chrono::microseconds(50)); }};
}

NcclStream::NcclStream(const NcclApi& api, cudaStream_t stream, std::function<StreamState()> state,
                       NcclClock clock)
    : api_(api), stream_(stream), state_(std::move(state)), clock_(std::move(clock)) {}

void NcclStream::require_alive() const {
  if (!failure_.empty()) throw UserError(failure_);
}

void NcclStream::wait() {
  require_alive();
  const double end = clock_.now() + clock_.patience_s;
  for (std::int64_t looks = 0; state() == StreamState::busy; ++looks) {
    look_for_errors();
    if (looks < kLooksWithoutPause) continue;
    if (clock_.now() > end) give_up();
    clock_.pause();
  }
}

StreamState NcclStream::state() {
  try {
    return state_();
  } catch (const std::exception& error) {
    failure_ = error.what();
    abort();
    throw;
  }
}

void NcclStream::look_for_errors() {
  for (const NcclEndpoint* endpoint : endpoints_) {
    if (endpoint->comm == nullptr) continue;
    ncclResult_t error = ncclSuccess;
    if (const ncclResult_t asked = api_.async_error(endpoint->comm, &error); asked != ncclSuccess)
      error = asked;
    if (error != ncclSuccess && error != ncclInProgress) fail(*endpoint, api_.error_string(error));
  }
}

/// Fails where there are other ranks to wait for; a rank alone may compute for as long as it likes.
void NcclStream::give_up() {
  const auto with_others =
      std::ranges::find_if(endpoints_, [](const NcclEndpoint* endpoint) { return endpoint->size > 1; });
  if (with_others != endpoints_.end()) fail(**with_others, not_done_within(clock_.patience_s));
}

void NcclStream::settle(NcclEndpoint& endpoint, ncclResult_t code) {
  const double end = clock_.now() + clock_.patience_s;
  for (std::int64_t looks = 0; code == ncclInProgress; ++looks) {
    if (clock_.now() > end) fail(endpoint, not_done_within(clock_.patience_s));
    if (looks >= kLooksWithoutPause) clock_.pause();
    if (const ncclResult_t asked = api_.async_error(endpoint.comm, &code); asked != ncclSuccess) code = asked;
  }
  if (code != ncclSuccess) fail(endpoint, api_.error_string(code));
}

void NcclStream::fail(const NcclEndpoint& endpoint, std::string_view found) {
  const std::string_view last = api_.last_error(endpoint.comm);
  const UserError error({fmt::format("{} on rank {} of {}", endpoint.call, endpoint.rank, endpoint.size),
                         last.empty() ? std::string(found) : fmt::format("{} ({})", found, last), "",
                         "see the other ranks' messages; NCCL_DEBUG=WARN makes NCCL say more"});
  failure_ = error.what();
  abort();
  throw error;
}

/// In one group, so that all are told to end before the first is waited for: the kernels of one may stand
/// behind those of another in the stream.
void NcclStream::abort() {
  const auto under_way = [](const NcclEndpoint* endpoint) { return endpoint->comm != nullptr; };
  if (std::ranges::none_of(endpoints_, under_way)) return;
  api_.group_start();
  for (NcclEndpoint* endpoint : endpoints_) {
    if (under_way(endpoint)) api_.abort(std::exchange(endpoint->comm, nullptr));
  }
  api_.group_end();
}

void NcclStream::finish(NcclEndpoint& endpoint) {
  if (endpoint.comm == nullptr) return;
  ncclResult_t code = api_.finalize(endpoint.comm);
  const double end = clock_.now() + clock_.patience_s;
  while (code == ncclInProgress && clock_.now() < end) {
    clock_.pause();
    if (api_.async_error(endpoint.comm, &code) != ncclSuccess) code = ncclInternalError;
  }
  const ncclComm_t comm = std::exchange(endpoint.comm, nullptr);
  code == ncclSuccess ? api_.destroy(comm) : api_.abort(comm);
}

}  // namespace weft
