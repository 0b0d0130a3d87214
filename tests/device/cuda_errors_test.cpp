#include "device/cuda/cuda_errors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <c10/util/Exception.h>

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

c10::AcceleratorError torch_error(cudaError_t code) {
  return {
      {__func__, __FILE__, 1}, code, std::string("CUDA error: ") + cudaGetErrorString(code) + "\nSearch ..."};
}

TEST(CudaErrors, LibTorchsAreToldByTheirCode) {
  expect_user_error(
      [] { retell(torch_error(cudaErrorECCUncorrectable), "the replay of a recording", "GPU 3"); },
      {"GPU 3: the replay of a recording failed", "cudaErrorECCUncorrectable", "nvidia-smi"});
  EXPECT_THROW(retell(torch_error(cudaErrorIllegalAddress), "a replay", "GPU 3"), InternalError);
  EXPECT_THROW(retell(c10::Error("Called CUDAGraph::replay too early"), "a replay", "GPU 3"), InternalError);
}

TEST(CudaErrors, AGpuThatCannotBeOpenedIsToldInALine) {
  const auto message = [](const c10::Error& error) {
    try {
      fail_to_open(error, "GPU 3");
    } catch (const UserError& told) {
      return std::string(told.what());
    }
  };
  EXPECT_THAT(message(torch_error(cudaErrorDevicesUnavailable)),
              testing::AllOf(testing::StartsWith("GPU 3: it cannot be used: CUDA error: CUDA-capable device"),
                             testing::Not(testing::HasSubstr("\n"))));
  EXPECT_THAT(message(c10::Error("no\ndriver")), testing::StartsWith("GPU 3: it cannot be used: no; see"));
}

TEST(CudaErrors, ALaunchIsToldByWhatBrokeIt) {
  EXPECT_NO_THROW(cuda::check_launch(cudaSuccess));
  EXPECT_THROW(cuda::check_launch(cudaErrorInvalidConfiguration), InternalError);
  expect_user_error([] { cuda::check_launch(cudaErrorECCUncorrectable); },
                    {"GPU 0: a kernel's launch, or work before it, failed", "nvidia-smi"});
}

}  // namespace
}  // namespace weft
