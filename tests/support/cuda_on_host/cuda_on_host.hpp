#pragma once

// CUDA's kernel language for the host's compiler, so that a kernel's source runs in tests without a GPU: the
// threads of a block are fibers that take turns at barriers and shuffles, and blocks run one after the other.
// It proves indices, barriers and arithmetic; not speed, not what nvcc makes of the source, and no races
// between blocks.

#include <cstdint>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // one block at a time

using cudaStream_t = void*;

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace weft::cuda_on_host {

/// Runs one block of `threads` threads, each of which calls `body`.
void run_block(unsigned threads, const std::function<void()>& body);
void wait_for_block();
/// Gives `value` (up to 16 bytes) to the warp and takes that of `lane`.
void exchange(const void* value, void* result, unsigned bytes, unsigned lane);
unsigned lane_of_this_thread();

template <typename T>
T take_from(T value, unsigned lane) {
  T result;
  exchange(&value, &result, sizeof(T), lane);
  return result;
}

}  // namespace weft::cuda_on_host

inline void __syncthreads() { weft::cuda_on_host::wait_for_block(); }
inline void __syncwarp(unsigned = 0xffffffffU) { weft::cuda_on_host::take_from(0, 0); }
template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  return weft::cuda_on_host::take_from(value, static_cast<unsigned>(lane));
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return weft::cuda_on_host::take_from(
      value, weft::cuda_on_host::lane_of_this_thread() ^ static_cast<unsigned>(mask));
}
template <typename T>
T __shfl_down_sync(unsigned, T value, unsigned distance) {
  const unsigned lane = weft::cuda_on_host::lane_of_this_thread();
  return weft::cuda_on_host::take_from(value, lane + distance < 32 ? lane + distance : lane);
}

namespace weft::cuda {

template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, cudaStream_t, Arguments... arguments) {
  gridDim = blocks;
  blockDim = threads;
  for (unsigned z = 0; z < blocks.z; ++z) {
    for (unsigned y = 0; y < blocks.y; ++y) {
      for (unsigned x = 0; x < blocks.x; ++x) {
        blockIdx = dim3(x, y, z);
        cuda_on_host::run_block(threads.x * threads.y, [&] { kernel(arguments...); });
      }
    }
  }
}

}  // namespace weft::cuda
