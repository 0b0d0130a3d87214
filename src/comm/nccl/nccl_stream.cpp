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

constexpr std::string_view kRemedy = "see the other ranks' messages; NCCL_DEBUG=WARN makes NCCL say more";

std::string place_of(const NcclEndpoint& endpoint) {
  return fmt::format("{} on rank {} of {}", endpoint.call, endpoint.rank, endpoint.size);
}

/// What correct calls never get.
bool is_ours(ncclResult_t code) { return code == ncclInvalidArgument || code == ncclInvalidUsage; }

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
  if (failure_) std::rethrow_exception(failure_);
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
  } catch (const std::exception&) {
    end_with(std::current_exception());
  }
}

void NcclStream::look_for_errors() {
  for (const NcclEndpoint* endpoint : endpoints_) {
    if (endpoint->comm == nullptr) continue;
    ncclResult_t error = ncclSuccess;
    if (const ncclResult_t asked = api_.async_error(endpoint->comm, &error); asked != ncclSuccess)
      error = asked;
    if (error != ncclSuccess && error != ncclInProgress) fail(*endpoint, error);
  }
}

/// Fails where there are other ranks to wait for; a rank alone may compute for as long as it likes.
void NcclStream::give_up() {
  const auto with_others =
      std::ranges::find_if(endpoints_, [](const NcclEndpoint* endpoint) { return endpoint->size > 1; });
  if (with_others != endpoints_.end()) fail_late(**with_others);
}

void NcclStream::settle(NcclEndpoint& endpoint, ncclResult_t code) {
  const double end = clock_.now() + clock_.patience_s;
  for (std::int64_t looks = 0; code == ncclInProgress; ++looks) {
    if (clock_.now() > end) fail_late(endpoint);
    if (looks >= kLooksWithoutPause) clock_.pause();
    if (const ncclResult_t asked = api_.async_error(endpoint.comm, &code); asked != ncclSuccess) code = asked;
  }
  if (code != ncclSuccess) fail(endpoint, code);
}

void NcclStream::fail(const NcclEndpoint& endpoint, ncclResult_t code) {
  const std::string found = with_last_error(endpoint, api_.error_string(code));
  if (is_ours(code)) end_with(std::make_exception_ptr(InternalError(place_of(endpoint) + ": " + found)));
  end_with(std::make_exception_ptr(UserError({place_of(endpoint), found, "", std::string(kRemedy)})));
}

void NcclStream::fail_late(const NcclEndpoint& endpoint) {
  const std::string late =
      fmt::format("not done within {:g} s: a rank or its network is gone", clock_.patience_s);
  end_with(std::make_exception_ptr(
      UserError({place_of(endpoint), with_last_error(endpoint, late), "", std::string(kRemedy)})));
}

std::string NcclStream::with_last_error(const NcclEndpoint& endpoint, std::string_view found) const {
  const std::string_view last = api_.last_error(endpoint.comm);
  return last.empty() ? std::string(found) : fmt::format("{} ({})", found, last);
}

void NcclStream::end_with(std::exception_ptr failure) {
  failure_ = std::move(failure);
  abort();
  std::rethrow_exception(failure_);
}

void NcclStream::drop_recordings() {
  for (NcclRecording* recording : recordings_) recording->drop();
}

/// In one group, so that all are told to end before the first is waited for: the kernels of one may stand
/// behind those of another in the stream.
void NcclStream::abort() {
  drop_recordings();
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
  if (code == ncclSuccess) {
    api_.destroy(comm);
    return;
  }
  drop_recordings();
  api_.abort(comm);
}

}  // namespace weft
