#pragma once

// What kernels are written with: included by the .cu files, which nvcc compiles for a GPU and, in the tests,
// the host's compiler for threads that take turns (tests/support/cuda_on_host).

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_runtime.h>

/// As WEFT_PRAGMA(unroll), and WEFT_PRAGMA(unroll 1) for a loop that unrolled would not fit the registers.
/// The host's compiler warns of nvcc's pragmas.
#define WEFT_PRAGMA(text) _Pragma(#text)
#else
#include "support/cuda_on_host/cuda_on_host.hpp"

#define WEFT_PRAGMA(text)
#endif

namespace weft::cuda {

inline constexpr int kWarp = 32;

/// How many blocks of `size` cover `count`.
constexpr std::int64_t blocks_for(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

#if defined(__CUDACC__)
/// Throws unless `code` is success: UserError where the GPU or its driver is to blame, InternalError where
/// the launch was wrong.
void check_launch(cudaError_t code);

/// Starts a kernel on `stream`. @throws as check_launch where the launch is refused, for whatever reason.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, cudaStream_t stream,
            Arguments... arguments) {
  kernel<<<blocks, threads, 0, stream>>>(arguments...);
  check_launch(cudaGetLastError());
}
#endif

/// Device memory that work on `stream` uses and nobody after it.
void* allocate_scratch(std::size_t bytes, cudaStream_t stream);
void free_scratch(void* memory, cudaStream_t stream);

template <typename T>
class Scratch {
 public:
  Scratch(std::int64_t count, cudaStream_t stream)
      : stream_(stream),
        data_(static_cast<T*>(allocate_scratch(static_cast<std::size_t>(count) * sizeof(T), stream))) {}
  ~Scratch() { free_scratch(data_, stream_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() const { return data_; }

 private:
  cudaStream_t stream_;
  T* data_;
};

}  // namespace weft::cuda
