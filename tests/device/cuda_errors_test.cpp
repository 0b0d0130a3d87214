#include "device/cuda/cuda_errors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "support/user_error.hpp"

namespace weft {
namespace {

TEST(CudaErrors, SuccessIsNone) { EXPECT_NO_THROW(check_cuda(cudaSuccess, "cudaMemcpyAsync", "GPU 0")); }

TEST(CudaErrors, TheGpusFaultNamesItAndTheCall) {
  expect_user_error(
      [] { check_cuda(cudaErrorECCUncorrectable, "cudaStreamQuery", "GPU 3 (NVIDIA H200)"); },
      {"GPU 3 (NVIDIA H200): cudaStreamQuery failed", "cudaErrorECCUncorrectable", "nvidia-smi"});
}

TEST(CudaErrors, MemoryThatIsUsedUpSaysWhatToDo) {
  expect_user_error([] { check_cuda(cudaErrorMemoryAllocation, "cudaMalloc", "GPU 0"); },
                    {"cudaMalloc", "out of memory", "more ranks"});
  expect_user_error(
      [] { fail_out_of_memory("GPU 1", std::size_t{3} << 30, std::size_t{1} << 30, std::size_t{8} << 30); },
      {"GPU 1: out of memory", "3.00 GiB more were wanted", "1.00 GiB of 8.00 GiB are free", "more ranks"});
}

TEST(CudaErrors, AWrongCallIsABug) {
  for (const cudaError_t code :
       {cudaErrorInvalidValue, cudaErrorIllegalAddress, cudaErrorStreamCaptureUnsupported})
    EXPECT_THROW(check_cuda(code, "cudaMemcpyAsync", "GPU 0"), InternalError) << cudaGetErrorName(code);
}

}  // namespace
}  // namespace weft
