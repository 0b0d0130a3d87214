#include "weft/train/adam.hpp"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"
#include "weft/model/tensor_kernels.hpp"

namespace weft {

at::Tensor factors_at(double learning_rate, std::int64_t count) {
  const AdamFactors factors = adam_factors(learning_rate, count);
  return at::tensor({factors.rate, factors.second_correction}, at::kDouble);
}

Adam::Adam(const at::Tensor& parameters)
    : first_moment_(at::zeros_like(parameters)), second_moment_(at::zeros_like(parameters)) {}

void Adam::step(at::Tensor& parameters, const at::Tensor& gradient, const at::Tensor& factors) {
  require(parameters.is_contiguous() && gradient.sizes() == parameters.sizes() && factors.numel() == 2,
          "parameters, their gradient and two Adam factors");
  const at::Tensor dense = gradient.contiguous();
  with_element_type(parameters, [&]<typename T>(T*) {
    kernels_of(parameters)
        .of<T>()
        .adam_elements(parameters.mutable_data_ptr<T>(), first_moment_.mutable_data_ptr<T>(),
                       second_moment_.mutable_data_ptr<T>(), dense.const_data_ptr<T>(), parameters.numel(),
                       reinterpret_cast<const AdamFactors*>(factors.const_data_ptr<double>()));
  });
}

void Adam::reset() {
  first_moment_.zero_();
  second_moment_.zero_();
}

}  // namespace weft
