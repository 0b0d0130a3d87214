#include "device/cuda/cuda_errors.hpp"

#include <string>

#include <fmt/format.h>

#include <c10/util/Exception.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

/// What correct calls and kernels never get.
bool is_ours(cudaError_t code) {
  switch (code) {
    case cudaErrorInvalidValue:
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidPitchValue:
    case cudaErrorInvalidSymbol:
    case cudaErrorInvalidDevicePointer:
    case cudaErrorInvalidMemcpyDirection:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorInvalidResourceHandle:
    case cudaErrorIllegalState:
    case cudaErrorLaunchOutOfResources:
    case cudaErrorLaunchFailure:
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorAssert:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureMerge:
    case cudaErrorStreamCaptureUnmatched:
    case cudaErrorStreamCaptureUnjoined:
    case cudaErrorStreamCaptureIsolation:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorStreamCaptureWrongThread:
    case cudaErrorCapturedEvent:
      return true;
    default:
      return false;
  }
}

double gib(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

constexpr std::string_view kMoreMemory =
    "use more ranks, each on a GPU of its own, or end what else runs on this one (nvidia-smi lists it)";

std::string first_line(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

}  // namespace

void check_cuda(cudaError_t code, std::string_view call, std::string_view gpu) {
  if (code == cudaSuccess) return;
  const std::string text =
      fmt::format("{} failed: {} ({})", call, cudaGetErrorString(code), cudaGetErrorName(code));
  if (is_ours(code)) throw InternalError(fmt::format("{}: {}", gpu, text));
  throw UserError(
      {std::string(gpu), text, "",
       code == cudaErrorMemoryAllocation
           ? std::string(kMoreMemory)
           : "see whether nvidia-smi and the system's log (dmesg) tell of a fault; run on another GPU"});
}

void retell(const c10::Error& error, std::string_view call, std::string_view gpu) {
  if (const auto* const fault = dynamic_cast<const c10::AcceleratorError*>(&error))
    check_cuda(static_cast<cudaError_t>(fault->get_error_code()), call, gpu);
  throw InternalError(fmt::format("{}: {} failed: {}", gpu, call, first_line(error)));
}

void fail_to_open(const c10::Error& error, std::string_view gpu) {
  throw UserError({std::string(gpu), fmt::format("it cannot be used: {}", first_line(error)), "",
                   "see with nvidia-smi what else runs on it and whether it has a fault; use another GPU"});
}

void fail_out_of_memory(std::string_view gpu, std::size_t wanted_bytes, std::size_t free_bytes,
                        std::size_t total_bytes) {
  throw UserError(
      {std::string(gpu),
       fmt::format("out of memory: {:.2f} GiB more were wanted, {:.2f} GiB of {:.2f} GiB are free",
                   gib(wanted_bytes), gib(free_bytes), gib(total_bytes)),
       "", std::string(kMoreMemory)});
}

void cuda::check_launch(cudaError_t code) {
  if (code == cudaSuccess) return;
  int ordinal = 0;
  cudaGetDevice(&ordinal);
  check_cuda(code, "a kernel's launch, or work before it,", fmt::format("GPU {}", ordinal));
}

}  // namespace weft
