#pragma once

#include "weft/kernels/mlp_kernels.hpp"

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

// The kernels of weft/kernels/mlp_kernels.hpp on data in device memory, in the order of `stream`. Sums over
// rows have one fixed order, which depends on the number of rows alone.

void mlp_forward(const float* parameters, std::int64_t inputs, const float* input, std::int64_t rows,
                 float* first, float* second, float* output, cudaStream_t stream);
void mlp_forward(const double* parameters, std::int64_t inputs, const double* input, std::int64_t rows,
                 double* first, double* second, double* output, cudaStream_t stream);
void mlp_backward(const float* parameters, std::int64_t inputs, const float* input, const float* first,
                  const float* second, const float* output_gradient, std::int64_t rows, float* gradient,
                  float* first_gradient, cudaStream_t stream);
void mlp_backward(const double* parameters, std::int64_t inputs, const double* input, const double* first,
                  const double* second, const double* output_gradient, std::int64_t rows, double* gradient,
                  double* first_gradient, cudaStream_t stream);

}  // namespace weft::cuda
