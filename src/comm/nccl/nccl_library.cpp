#include "comm/nccl/nccl_api.hpp"

namespace weft {

const NcclApi& nccl_library() {
  static const NcclApi api{ncclGetUniqueId, ncclCommInitRankConfig, ncclCommGetAsyncError, ncclCommFinalize,
                           ncclCommDestroy, ncclCommAbort,          ncclGroupStart,        ncclGroupEnd,
                           ncclAllReduce,   ncclAllGather,          ncclReduceScatter,     ncclReduce,
                           ncclBroadcast,   ncclGetErrorString,     ncclGetLastError};
  return api;
}

}  // namespace weft
