#pragma once

#include <string_view>

#include <cuda_runtime_api.h>

namespace c10 {
class Error;
}

namespace weft {

/// Throws unless `code` is success: UserError where the GPU or its driver is to blame, InternalError where
/// the call was wrong. `gpu` is how messages name the GPU.
void check_cuda(cudaError_t code, std::string_view call, std::string_view gpu);

/// Throws what LibTorch said in `call`, as check_cuda does where it is an error of CUDA.
[[noreturn]] void retell(const c10::Error& error, std::string_view call, std::string_view gpu);

/// A UserError on a GPU that LibTorch could not start work on: taken, broken, without memory for it.
[[noreturn]] void fail_to_open(const c10::Error& error, std::string_view gpu);

/// A UserError on GPU memory that is used up.
[[noreturn]] void fail_out_of_memory(std::string_view gpu, std::size_t wanted_bytes, std::size_t free_bytes,
                                     std::size_t total_bytes);

namespace cuda {
/// As check_cuda, of the launch of a kernel on the current GPU, or of the work before it.
void check_launch(cudaError_t code);
}  // namespace cuda

}  // namespace weft
