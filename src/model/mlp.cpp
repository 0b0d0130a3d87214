#include "weft/model/mlp.hpp"

#include <cmath>

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"
#include "weft/model/tensor_kernels.hpp"

namespace weft {

Mlp::Mlp(std::int64_t inputs, at::ScalarType type)
    : inputs_(inputs),
      parameters_(at::zeros({hidden * (inputs + 1) + hidden * (hidden + 1) + hidden + 1}, type)),
      views_(layers(parameters_)) {}

Mlp Mlp::to(at::Device device) const {
  Mlp copy = *this;
  copy.parameters_ = parameters_.to(device);
  copy.views_ = layers(copy.parameters_);
  return copy;
}

Mlp::Layers Mlp::layers(const at::Tensor& flat) const {
  const std::array<std::pair<std::int64_t, std::int64_t>, 3> shapes{
      {{hidden, inputs_}, {hidden, hidden}, {1, hidden}}};
  Layers views;
  std::int64_t at = 0;
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const auto [out, in] = shapes[layer];
    views.weight[layer] = flat.narrow(0, at, out * in).view({out, in});
    views.bias[layer] = flat.narrow(0, at + out * in, out);
    at += out * (in + 1);
  }
  return views;
}

void Mlp::initialise(const Philox& random) {
  const at::Tensor values = at::empty(parameters_.sizes(), at::kDouble);
  double* value = values.mutable_data_ptr<double>();
  const std::int64_t first_layer = hidden * (inputs_ + 1);
  const double bound = 1 / std::sqrt(static_cast<double>(inputs_));
  for (std::int64_t k = 0; k < values.numel(); ++k) {
    const auto item = static_cast<std::uint64_t>(k);
    value[k] = k < first_layer ? bound * (2 * random.uniform(0, item) - 1) : 0.1 * random.normal(0, item);
  }
  parameters_.copy_(values);
  views_.bias[1].zero_();
  views_.bias[2].zero_();
}

std::vector<std::pair<std::string, at::Tensor>> Mlp::named_parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (std::size_t layer = 0; layer < 3; ++layer) {
    named.emplace_back("weight" + std::to_string(layer), views_.weight[layer]);
    named.emplace_back("bias" + std::to_string(layer), views_.bias[layer]);
  }
  return named;
}

at::Tensor Mlp::forward(const at::Tensor& input) const {
  Tape tape;
  return forward(input, tape);
}

at::Tensor Mlp::forward(const at::Tensor& input, Tape& tape) const {
  const std::int64_t rows = input.size(0);
  tape.input = input.contiguous();
  tape.first = at::empty({rows, hidden}, input.options());
  tape.second = at::empty({rows, hidden}, input.options());
  at::Tensor output = at::empty({rows}, input.options());
  with_element_type(parameters_, [&]<typename T>(T*) {
    kernels_of(parameters_)
        .of<T>()
        .mlp_forward(parameters_.const_data_ptr<T>(), inputs_, tape.input.const_data_ptr<T>(), rows,
                     tape.first.mutable_data_ptr<T>(), tape.second.mutable_data_ptr<T>(),
                     output.mutable_data_ptr<T>());
  });
  return output;
}

at::Tensor Mlp::backward(const Tape& tape, std::int64_t first_row, const at::Tensor& output_gradient,
                         at::Tensor& gradient) const {
  const std::int64_t rows = output_gradient.size(0);
  require(first_row >= 0 && first_row + rows <= tape.input.size(0), "rows beyond the tape of an MLP");
  require(gradient.is_contiguous() && gradient.numel() == parameters_.numel(),
          "an MLP's gradient of another size");
  const at::Tensor slope = output_gradient.contiguous();
  at::Tensor of_first = at::empty({rows, hidden}, slope.options());
  with_element_type(parameters_, [&]<typename T>(T*) {
    kernels_of(parameters_)
        .of<T>()
        .mlp_backward(parameters_.const_data_ptr<T>(), inputs_,
                      tape.input.const_data_ptr<T>() + first_row * inputs_,
                      tape.first.const_data_ptr<T>() + first_row * hidden,
                      tape.second.const_data_ptr<T>() + first_row * hidden, slope.const_data_ptr<T>(), rows,
                      gradient.mutable_data_ptr<T>(), of_first.mutable_data_ptr<T>());
  });
  return of_first;
}

at::Tensor Mlp::input_gradient(const at::Tensor& first_layer_gradient) const {
  return at::mm(first_layer_gradient, views_.weight[0]);
}

}  // namespace weft
