#include "weft/train/adam.hpp"

#include <cmath>

#include <ATen/ops/zeros_like.h>

namespace weft {

Adam::Adam(const at::Tensor& parameters)
    : first_moment_(at::zeros_like(parameters)), second_moment_(at::zeros_like(parameters)) {}

void Adam::step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate) {
  constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  ++count_;
  const double first_correction = 1 - std::pow(beta1, count_);
  const double second_correction = std::sqrt(1 - std::pow(beta2, count_));
  first_moment_.mul_(beta1).add_(gradient, 1 - beta1);
  second_moment_.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  const at::Tensor scale = second_moment_.sqrt().div_(second_correction).add_(epsilon);
  parameters.addcdiv_(first_moment_, scale, -learning_rate / first_correction);
}

void Adam::reset() {
  first_moment_.zero_();
  second_moment_.zero_();
  count_ = 0;
}

}  // namespace weft
