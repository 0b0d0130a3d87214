#pragma once

#include <cstdint>

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

constexpr int kAddingThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kAddingThreads)
    add_parts(const T* __restrict__ parts, std::int64_t count, std::int64_t length, T* __restrict__ out) {
  const std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * kAddingThreads + threadIdx.x;
  if (k >= length) return;
  T total = parts[k];
  for (std::int64_t part = 1; part < count; ++part) total += parts[part * length + k];
  out[k] = total;
}

/// `fill(parts)` computes `count` parts of `length` sums each, one after the other in memory; out is their
/// sum, in that order.
template <typename T, typename Fill>
void sum_of_parts(std::int64_t count, std::int64_t length, T* out, cudaStream_t stream, Fill fill) {
  if (count == 1) return fill(out);
  const Scratch<T> parts(count * length, stream);
  fill(parts.data());
  launch(add_parts<T>, dim3(static_cast<unsigned>(blocks_for(length, kAddingThreads))), dim3(kAddingThreads),
         stream, parts.data(), count, length, out);
}

}  // namespace weft::cuda
