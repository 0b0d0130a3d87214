#pragma once

#include <string_view>

#include <cuda_runtime_api.h>

namespace weft {

/// Throws unless `code` is success: UserError where the GPU or its driver is to blame, InternalError where
/// the call was wrong. `gpu` is how messages name the GPU.
void check_cuda(cudaError_t code, std::string_view call, std::string_view gpu);

/// A UserError on GPU memory that is used up.
[[noreturn]] void fail_out_of_memory(std::string_view gpu, std::size_t wanted_bytes, std::size_t free_bytes,
                                     std::size_t total_bytes);

}  // namespace weft
