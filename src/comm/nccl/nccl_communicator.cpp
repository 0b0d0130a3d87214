#include "comm/nccl/nccl_communicator.hpp"

#include <algorithm>
#include <exception>
#include <utility>

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

NcclCommunicator::NcclCommunicator(std::shared_ptr<NcclStream> stream, std::unique_ptr<Communicator> control)
    : stream_(std::move(stream)),
      control_(std::move(control)),
      api_(stream_->api()),
      endpoint_{nullptr, control_->rank(), control_->size(), {}} {
  stream_->enter(endpoint_);
  try {
    connect();
  } catch (...) {  // what another rank met: what NCCL made here stays, as it does in the destructor
    stream_->leave(endpoint_);
    throw;
  }
}

/// Rank 0 makes the id. Whether it could goes ahead of it, so that the others do not take a random id for
/// one.
void NcclCommunicator::connect() {
  ncclUniqueId id{};
  std::int64_t made = ncclSuccess;
  endpoint_.call = "ncclGetUniqueId";
  if (rank() == 0) made = api_.get_unique_id(&id);
  control_->broadcast(std::span<std::int64_t>(&made, 1), 0).wait();
  if (made != ncclSuccess) stream_->fail(endpoint_, static_cast<ncclResult_t>(made));
  control_->broadcast(std::span<char>(id.internal), 0).wait();
  collectively(*control_, [&] {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    endpoint_.call = "ncclCommInitRankConfig";
    stream_->settle(endpoint_, api_.init(&endpoint_.comm, size(), id, rank(), &config));
  });
}

/// To end in order is to wait for the other ranks, and an abort may be too: not while an exception is on its
/// way out, of which the program has yet to tell. NCCL's communicator then lasts as long as the process, and
/// the program ends the other ranks.
NcclCommunicator::~NcclCommunicator() {
  if (std::uncaught_exceptions() == 0) stream_->finish(endpoint_);
  stream_->leave(endpoint_);
}

template <typename Calls>
Pending NcclCommunicator::grouped(std::string_view call, Calls calls) {
  stream_->require_alive();
  require(endpoint_.comm != nullptr, "a communicator that was aborted");
  endpoint_.call = call;
  if (const ncclResult_t code = api_.group_start(); code != ncclSuccess) stream_->fail(endpoint_, code);
  ncclResult_t first_failure = ncclSuccess;
  calls([&](ncclResult_t code) {
    if (first_failure == ncclSuccess && code != ncclInProgress) first_failure = code;
  });
  const ncclResult_t end = api_.group_end();
  stream_->settle(endpoint_, first_failure != ncclSuccess ? first_failure : end);
  return Pending([stream = stream_] { stream->wait(); });
}

Pending NcclCommunicator::all_reduce(Buffer values, Reduction reduction) {
  if (values.memory == Memory::host) return control_->all_reduce(values, reduction);
  require(reduction == Reduction::sum || values.type == ScalarType::int64 || values.type == ScalarType::byte,
          "a maximum of floating-point numbers by NCCL, which would lose a NaN");
  const ncclRedOp_t operation = reduction == Reduction::sum ? ncclSum : ncclMax;
  return grouped("ncclAllReduce", [&](auto made) {
    if (values.count == 0) return;
    made(api_.all_reduce(values.data, values.data, values.count, nccl_type(values.type), operation,
                         endpoint_.comm, stream_->stream()));
  });
}

Pending NcclCommunicator::all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) {
  require_one_memory(own, gathered);
  if (own.memory == Memory::host) return control_->all_gather(own, gathered, counts);
  require_blocks(own, gathered, counts, rank(), size());
  return grouped("ncclAllGather", [&](auto made) {
    if (all_equal(counts)) {
      if (own.count > 0)
        made(api_.all_gather(own.data, gathered.data, own.count, nccl_type(own.type), endpoint_.comm,
                             stream_->stream()));
      return;
    }
    for_blocks(gathered, counts, [&](int root, Buffer block) {
      const void* const from = root == rank() ? own.data : block.data;
      made(api_.broadcast(from, block.data, block.count, nccl_type(own.type), root, endpoint_.comm,
                          stream_->stream()));
    });
  });
}

Pending NcclCommunicator::reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) {
  require_one_memory(own, blocks);
  if (own.memory == Memory::host) return control_->reduce_scatter(blocks, own, counts);
  require_blocks(own, blocks, counts, rank(), size());
  return grouped("ncclReduceScatter", [&](auto made) {
    if (all_equal(counts)) {
      if (own.count > 0)
        made(api_.reduce_scatter(blocks.data, own.data, own.count, nccl_type(own.type), ncclSum,
                                 endpoint_.comm, stream_->stream()));
      return;
    }
    for_blocks(blocks, counts, [&](int root, Buffer block) {
      void* const to = root == rank() ? own.data : block.data;
      made(api_.reduce(block.data, to, block.count, nccl_type(own.type), ncclSum, root, endpoint_.comm,
                       stream_->stream()));
    });
  });
}

Pending NcclCommunicator::broadcast(Buffer values, int root) {
  if (values.memory == Memory::host) return control_->broadcast(values, root);
  require(root >= 0 && root < size(), "a broadcast from a rank that is not in the group");
  return grouped("ncclBroadcast", [&](auto made) {
    if (values.count == 0) return;
    made(api_.broadcast(values.data, values.data, values.count, nccl_type(values.type), root, endpoint_.comm,
                        stream_->stream()));
  });
}

std::unique_ptr<Communicator> NcclCommunicator::split(int color) {
  return std::make_unique<NcclCommunicator>(stream_, control_->split(color));
}

}  // namespace weft
