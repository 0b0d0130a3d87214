#pragma once

#include "weft/kernels/adam_kernels.hpp"

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

// The kernels of weft/kernels/adam_kernels.hpp on data in device memory, in the order of `stream`.

void adam_elements(float* w, float* m, float* v, const float* gradient, std::int64_t count,
                   const AdamFactors* factors, cudaStream_t stream);
void adam_elements(double* w, double* m, double* v, const double* gradient, std::int64_t count,
                   const AdamFactors* factors, cudaStream_t stream);

}  // namespace weft::cuda
