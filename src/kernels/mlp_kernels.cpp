#include "weft/kernels/mlp_kernels.hpp"

#include "kernels/instruction_set.hpp"
#include "kernels/isa/mlp_kernels.hpp"

namespace weft {
namespace {

void choose_forward(auto... arguments) {
  has_avx512() ? avx512::mlp_forward(arguments...) : avx2::mlp_forward(arguments...);
}

void choose_backward(auto... arguments) {
  has_avx512() ? avx512::mlp_backward(arguments...) : avx2::mlp_backward(arguments...);
}

}  // namespace

void mlp_forward(const float* parameters, std::int64_t inputs, const float* input, std::int64_t rows,
                 float* first, float* second, float* output) {
  choose_forward(parameters, inputs, input, rows, first, second, output);
}
void mlp_backward(const float* parameters, std::int64_t inputs, const float* input, const float* first,
                  const float* second, const float* output_gradient, std::int64_t rows, float* gradient,
                  float* first_gradient) {
  choose_backward(parameters, inputs, input, first, second, output_gradient, rows, gradient, first_gradient);
}
void mlp_forward(const double* parameters, std::int64_t inputs, const double* input, std::int64_t rows,
                 double* first, double* second, double* output) {
  choose_forward(parameters, inputs, input, rows, first, second, output);
}
void mlp_backward(const double* parameters, std::int64_t inputs, const double* input, const double* first,
                  const double* second, const double* output_gradient, std::int64_t rows, double* gradient,
                  double* first_gradient) {
  choose_backward(parameters, inputs, input, first, second, output_gradient, rows, gradient, first_gradient);
}

}  // namespace weft
