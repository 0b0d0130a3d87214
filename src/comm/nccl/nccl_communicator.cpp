#include "comm/nccl/nccl_communicator.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "weft/core/error.hpp"

#include "comm/buffers.hpp"

namespace weft {
namespace {

ncclDataType_t nccl_type(ScalarType type) {
  switch (type) {
    case ScalarType::float32:
      return ncclFloat32;
    case ScalarType::float64:
      return ncclFloat64;
    case ScalarType::int64:
      return ncclInt64;
    case ScalarType::byte:
      return ncclUint8;
  }
  throw InternalError("an unknown scalar type");
}

bool all_equal(std::span<const std::int64_t> counts) {
  return std::ranges::all_of(counts, [&](std::int64_t count) { return count == counts.front(); });
}

void require_one_memory(Buffer a, Buffer b) {
  require(a.memory == b.memory, "a collective from host to device memory, or back");
}

/// Calls `work(rank, block)` for each rank's block of `all`.
template <typename Work>
void for_blocks(Buffer all, std::span<const std::int64_t> counts, Work work) {
  std::size_t first = 0;
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    const auto count = static_cast<std::size_t>(counts[rank]);
    if (count > 0) work(static_cast<int>(rank), part(all, first, count));
    first += count;
  }
}

}  // namespace

NcclClock steady_nccl_clock() {
  return {[] {
            return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
          },
          [] { std::this_thread::sleep_for(std::chrono::microseconds(50)); }};
}

NcclCommunicator::NcclCommunicator(const NcclApi& api, std::unique_ptr<Communicator> control,
                                   cudaStream_t stream, NcclClock clock)
    : api_(api), control_(std::move(control)), stream_(stream), clock_(std::move(clock)) {
  try {
    connect();
  } catch (...) {
    abort();
    throw;
  }
}

/// Rank 0 makes the id. Whether it could goes ahead of it, so that the others do not take a random id for
/// one.
void NcclCommunicator::connect() {
  ncclUniqueId id{};
  std::int64_t made = ncclSuccess;
  if (rank() == 0) made = api_.get_unique_id(&id);
  control_->broadcast(std::span<std::int64_t>(&made, 1), 0).wait();
  if (made != ncclSuccess) fail("ncclGetUniqueId", api_.error_string(static_cast<ncclResult_t>(made)));
  control_->broadcast(std::span<char>(id.internal), 0).wait();
  collectively(*control_, [&] {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    settle("ncclCommInitRankConfig", api_.init(&comm_, size(), id, rank(), &config));
  });
}

NcclCommunicator::~NcclCommunicator() {
  if (comm_ == nullptr) return;
  // Finalising waits for the other ranks: not while an exception is on its way out.
  if (std::uncaught_exceptions() > 0) {
    abort();
    return;
  }
  ncclResult_t state = api_.finalize(comm_);
  const double end = clock_.now() + clock_.patience_s;
  while (state == ncclInProgress && clock_.now() < end) {
    clock_.pause();
    if (api_.async_error(comm_, &state) != ncclSuccess) state = ncclInternalError;
  }
  state == ncclSuccess ? api_.destroy(comm_) : api_.abort(comm_);
}

void NcclCommunicator::abort() {
  if (comm_ != nullptr) api_.abort(std::exchange(comm_, nullptr));
}

void NcclCommunicator::fail(std::string_view call, std::string_view found) {
  const std::string text = fmt::format("{} ({})", found, api_.last_error(comm_));
  abort();
  throw UserError({fmt::format("{} on rank {} of {}", call, rank(), size()), text, "",
                   "see the other ranks' messages; NCCL_DEBUG=WARN makes NCCL say more"});
}

/// Waits until a call that was made on a non-blocking communicator has been taken up.
void NcclCommunicator::settle(std::string_view call, ncclResult_t code) {
  const double end = clock_.now() + clock_.patience_s;
  while (code == ncclInProgress) {
    if (clock_.now() > end)
      fail(call, fmt::format("not done within {:g} s: a rank or its network is gone", clock_.patience_s));
    clock_.pause();
    if (const ncclResult_t asked = api_.async_error(comm_, &code); asked != ncclSuccess) code = asked;
  }
  if (code != ncclSuccess) fail(call, api_.error_string(code));
}

void NcclCommunicator::check() {
  require(comm_ != nullptr, "a communicator that was aborted");
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = api_.async_error(comm_, &state);
  if (asked != ncclSuccess) fail("ncclCommGetAsyncError", api_.error_string(asked));
  if (state != ncclSuccess && state != ncclInProgress) fail("a collective", api_.error_string(state));
}

template <typename Calls>
void NcclCommunicator::grouped(std::string_view call, Calls calls) {
  require(comm_ != nullptr, "a communicator that was aborted");
  if (const ncclResult_t code = api_.group_start(); code != ncclSuccess) fail(call, api_.error_string(code));
  ncclResult_t first_failure = ncclSuccess;
  calls([&](ncclResult_t code) {
    if (first_failure == ncclSuccess && code != ncclInProgress) first_failure = code;
  });
  const ncclResult_t end = api_.group_end();
  settle(call, first_failure != ncclSuccess ? first_failure : end);
}

Pending NcclCommunicator::all_reduce(Buffer values, Reduction reduction) {
  if (values.memory == Memory::host) return control_->all_reduce(values, reduction);
  const ncclRedOp_t operation = reduction == Reduction::sum ? ncclSum : ncclMax;
  grouped("ncclAllReduce", [&](auto made) {
    if (values.count == 0) return;
    made(api_.all_reduce(values.data, values.data, values.count, nccl_type(values.type), operation, comm_,
                         stream_));
  });
  return {};
}

Pending NcclCommunicator::all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) {
  require_one_memory(own, gathered);
  if (own.memory == Memory::host) return control_->all_gather(own, gathered, counts);
  require_blocks(own, gathered, counts, rank(), size());
  grouped("ncclAllGather", [&](auto made) {
    if (all_equal(counts)) {
      if (own.count > 0)
        made(api_.all_gather(own.data, gathered.data, own.count, nccl_type(own.type), comm_, stream_));
      return;
    }
    for_blocks(gathered, counts, [&](int root, Buffer block) {
      const void* const from = root == rank() ? own.data : block.data;
      made(api_.broadcast(from, block.data, block.count, nccl_type(own.type), root, comm_, stream_));
    });
  });
  return {};
}

Pending NcclCommunicator::reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) {
  require_one_memory(own, blocks);
  if (own.memory == Memory::host) return control_->reduce_scatter(blocks, own, counts);
  require_blocks(own, blocks, counts, rank(), size());
  grouped("ncclReduceScatter", [&](auto made) {
    if (all_equal(counts)) {
      if (own.count > 0)
        made(api_.reduce_scatter(blocks.data, own.data, own.count, nccl_type(own.type), ncclSum, comm_,
                                 stream_));
      return;
    }
    for_blocks(blocks, counts, [&](int root, Buffer block) {
      void* const to = root == rank() ? own.data : block.data;
      made(api_.reduce(block.data, to, block.count, nccl_type(own.type), ncclSum, root, comm_, stream_));
    });
  });
  return {};
}

Pending NcclCommunicator::broadcast(Buffer values, int root) {
  if (values.memory == Memory::host) return control_->broadcast(values, root);
  require(root >= 0 && root < size(), "a broadcast from a rank that is not in the group");
  grouped("ncclBroadcast", [&](auto made) {
    if (values.count == 0) return;
    made(
        api_.broadcast(values.data, values.data, values.count, nccl_type(values.type), root, comm_, stream_));
  });
  return {};
}

std::unique_ptr<Communicator> NcclCommunicator::split(int color) {
  return std::make_unique<NcclCommunicator>(api_, control_->split(color), stream_, clock_);
}

}  // namespace weft
