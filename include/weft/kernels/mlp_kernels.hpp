#pragma once

#include <cstdint>

namespace weft {

/// Width of the two hidden layers of psi* and phi*.
inline constexpr std::int64_t kMlpHidden = 64;

/// Linear(inputs, 64) - ReLU - Linear(64, 64) - ReLU - Linear(64, 1) on `rows` rows at once. `parameters`
/// holds weight0 (64 x inputs), bias0 (64), weight1 (64 x 64), bias1 (64), weight2 (64), bias2 (1), one after
/// the other. Writes the hidden layers after their ReLUs, first and second (rows x 64), and output (rows).
/// All dense and row-major. A row's result does not depend on the other rows or the threads. Local.
void mlp_forward(const float* parameters, std::int64_t inputs, const float* input, std::int64_t rows,
                 float* first, float* second, float* output);
void mlp_forward(const double* parameters, std::int64_t inputs, const double* input, std::int64_t rows,
                 double* first, double* second, double* output);

/// Adds to `gradient`, laid out as `parameters`, that of sum_r output_gradient[r] output[r]; input, first and
/// second are those of the forward pass. Writes the gradient of the first hidden layer before its ReLU,
/// first_gradient (rows x 64). The order of the sums over rows depends on the number of threads. Local.
void mlp_backward(const float* parameters, std::int64_t inputs, const float* input, const float* first,
                  const float* second, const float* output_gradient, std::int64_t rows, float* gradient,
                  float* first_gradient);
void mlp_backward(const double* parameters, std::int64_t inputs, const double* input, const double* first,
                  const double* second, const double* output_gradient, std::int64_t rows, double* gradient,
                  double* first_gradient);

}  // namespace weft
