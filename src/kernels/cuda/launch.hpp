#pragma once

// What kernels are written with: included by the .cu files, which nvcc compiles for a GPU and, in the tests,
// the host's compiler for threads that take turns (tests/support/cuda_on_host).

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <string>

#include <cuda_runtime.h>

#include "weft/core/error.hpp"

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
/// Starts a kernel on `stream`. @throws InternalError where the launch is refused.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, cudaStream_t stream,
            Arguments... arguments) {
  kernel<<<blocks, threads, 0, stream>>>(arguments...);
  if (const cudaError_t code = cudaGetLastError(); code != cudaSuccess)
    throw InternalError(std::string("a kernel was not launched: ") + cudaGetErrorString(code));
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
