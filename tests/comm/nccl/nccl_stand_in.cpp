#include "nccl_stand_in.hpp"

#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include <gtest/gtest.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

struct Group {
  std::shared_ptr<Communicator> ranks;
  int number = 0;
  int polls_left = 0;
};

NcclStandIn* in_use = nullptr;
Communicator* parent = nullptr;
int depth = 0;
int made = 0;
std::vector<std::function<void()>> waiting;

void* host(const void* data) { return in_use->host_of(data); }

Group& group_of(ncclComm_t comm) { return *reinterpret_cast<Group*>(comm); }

ncclResult_t record(const char* name) {
  in_use->calls.emplace_back(name);
  if (in_use->failing_call != name) return ncclSuccess;
  in_use->failing_call.clear();
  return in_use->failure;
}

ncclResult_t take_up(ncclComm_t comm) {
  group_of(comm).polls_left = in_use->polls;
  return in_use->polls == 0 ? ncclSuccess : ncclInProgress;
}

Buffer buffer(const void* data, std::size_t count, ncclDataType_t type) {
  Buffer result;
  result.data = const_cast<void*>(data);
  result.count = count;
  result.type = type == ncclFloat32   ? ScalarType::float32
                : type == ncclFloat64 ? ScalarType::float64
                : type == ncclInt64   ? ScalarType::int64
                                      : ScalarType::byte;
  return result;
}

std::size_t bytes_of(ncclDataType_t type) {
  return type == ncclFloat64 || type == ncclInt64 ? 8 : type == ncclFloat32 ? 4 : 1;
}

std::vector<std::int64_t> equal_counts(const Communicator& ranks, std::size_t count) {
  return std::vector<std::int64_t>(static_cast<std::size_t>(ranks.size()), static_cast<std::int64_t>(count));
}

/// Now, or at the end of the group.
ncclResult_t start(ncclComm_t comm, const char* name, std::function<void()> work) {
  if (const ncclResult_t code = record(name); code != ncclSuccess) return code;
  if (depth > 0) {
    waiting.push_back(std::move(work));
    return ncclInProgress;
  }
  in_use->run(std::move(work));
  return take_up(comm);
}

ncclResult_t get_unique_id(ncclUniqueId* id) {
  std::memset(id->internal, 42, sizeof(id->internal));
  id->internal[1] = static_cast<char>(parent->rank());  // tells the groups of a split apart
  return record("ncclGetUniqueId");
}
ncclResult_t init(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  if (const ncclResult_t code = record("ncclCommInitRankConfig"); code != ncclSuccess) return code;
  require(id.internal[0] == 42 && id.internal[sizeof(id.internal) - 1] == 42, "the id of rank 0");
  require(config->blocking == 0 && ranks >= 1 && rank >= 0 && rank < ranks, "a non-blocking communicator");
  const auto group = std::make_shared<Group>(parent->split(id.internal[1]), made++, 0);
  in_use->communicators.push_back(group);
  *comm = reinterpret_cast<ncclComm_t>(group.get());
  return take_up(*comm);
}
ncclResult_t async_error(ncclComm_t comm, ncclResult_t* state) {
  Group& group = group_of(comm);
  *state = in_use->async_failure;
  if (*state == ncclSuccess && group.polls_left != 0) {
    if (group.polls_left > 0) --group.polls_left;
    if (group.polls_left != 0) *state = ncclInProgress;
  }
  return ncclSuccess;
}
ncclResult_t finalize(ncclComm_t comm) {
  record("ncclCommFinalize");
  const ncclResult_t code = take_up(comm);
  if (in_use->recordings == 0) return code;
  group_of(comm).polls_left = -1;
  return ncclInProgress;
}
ncclResult_t destroy(ncclComm_t comm) {
  group_of(comm).ranks.reset();
  return record("ncclCommDestroy");
}
ncclResult_t abort_comm(ncclComm_t comm) {
  if (in_use->recordings > 0)
    ADD_FAILURE() << "ncclCommAbort waits for " << in_use->recordings << " recordings";
  in_use->aborted.push_back(group_of(comm).number);
  group_of(comm).ranks.reset();
  return record("ncclCommAbort");
}
ncclResult_t group_start() {
  ++depth;
  return record("ncclGroupStart");
}
ncclResult_t group_end() {
  const ncclResult_t code = record("ncclGroupEnd");
  if (--depth > 0) return code;
  auto work = std::exchange(waiting, {});
  if (code != ncclSuccess || work.empty()) return code;
  in_use->run([work = std::move(work)] {
    for (const auto& one : work) one();
  });
  return ncclSuccess;
}
ncclResult_t all_reduce(const void* from, void* to, std::size_t count, ncclDataType_t type,
                        ncclRedOp_t operation, ncclComm_t comm, cudaStream_t) {
  const auto work = [ranks = group_of(comm).ranks, from = host(from), to = host(to), count, type, operation] {
    std::memmove(to, from, count * bytes_of(type));
    ranks->all_reduce(buffer(to, count, type), operation == ncclSum ? Reduction::sum : Reduction::max).wait();
  };
  return start(comm, "ncclAllReduce", work);
}
ncclResult_t all_gather(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclComm_t comm,
                        cudaStream_t) {
  const auto work = [ranks = group_of(comm).ranks, from = host(from), to = host(to), count, type] {
    const std::size_t total = count * static_cast<std::size_t>(ranks->size());
    ranks->all_gather(buffer(from, count, type), buffer(to, total, type), equal_counts(*ranks, count)).wait();
  };
  return start(comm, "ncclAllGather", work);
}
ncclResult_t reduce_scatter(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t,
                            ncclComm_t comm, cudaStream_t) {
  const auto work = [ranks = group_of(comm).ranks, from = host(from), to = host(to), count, type] {
    const std::size_t total = count * static_cast<std::size_t>(ranks->size());
    ranks->reduce_scatter(buffer(from, total, type), buffer(to, count, type), equal_counts(*ranks, count))
        .wait();
  };
  return start(comm, "ncclReduceScatter", work);
}
ncclResult_t reduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t, int root,
                    ncclComm_t comm, cudaStream_t) {
  const auto work = [ranks = group_of(comm).ranks, from = host(from), to = host(to), count, type, root] {
    std::vector<char> sum(count * bytes_of(type));
    std::memcpy(sum.data(), from, sum.size());
    ranks->all_reduce(buffer(sum.data(), count, type), Reduction::sum).wait();
    if (ranks->rank() == root) std::memcpy(to, sum.data(), sum.size());
  };
  return start(comm, "ncclReduce", work);
}
ncclResult_t broadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int root,
                       ncclComm_t comm, cudaStream_t) {
  const auto work = [ranks = group_of(comm).ranks, from = host(from), to = host(to), count, type, root] {
    if (ranks->rank() == root) std::memmove(to, from, count * bytes_of(type));
    ranks->broadcast(buffer(to, count, type), root).wait();
  };
  return start(comm, "ncclBroadcast", work);
}
const char* error_string(ncclResult_t code) {
  return code == ncclSystemError ? "a system error" : "an error";
}
const char* last_error(ncclComm_t) { return "the stand-in's last error"; }

}  // namespace

NcclStandIn::NcclStandIn(Communicator& ranks) {
  require(in_use == nullptr, "one stand-in at a time");
  in_use = this;
  parent = &ranks;
  depth = made = 0;
  waiting.clear();
}

NcclStandIn::~NcclStandIn() { in_use = nullptr; }

const NcclApi& NcclStandIn::api() const {
  static const NcclApi api{get_unique_id,  init,        async_error, finalize,     destroy,
                           abort_comm,     group_start, group_end,   all_reduce,   all_gather,
                           reduce_scatter, reduce,      broadcast,   error_string, last_error};
  return api;
}

}  // namespace weft
