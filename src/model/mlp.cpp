#include "weft/model/mlp.hpp"

#include <cmath>

#include <ATen/ops/addmm.h>
#include <ATen/ops/addmv.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/threshold_backward.h>
#include <ATen/ops/zeros.h>

namespace weft {

Mlp::Mlp(std::int64_t inputs, at::ScalarType type)
    : inputs_(inputs),
      parameters_(at::zeros({hidden * (inputs + 1) + hidden * (hidden + 1) + hidden + 1}, type)),
      views_(layers(parameters_)) {}

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
  tape.input = input;
  tape.first = at::addmm(views_.bias[0], input, views_.weight[0].t()).relu_();
  tape.second = at::addmm(views_.bias[1], tape.first, views_.weight[1].t()).relu_();
  return at::addmv(views_.bias[2], tape.second, views_.weight[2].view({hidden}));
}

at::Tensor Mlp::backward(const Tape& tape, std::int64_t first_row, const at::Tensor& output_gradient,
                         at::Tensor& gradient) const {
  const std::int64_t rows = output_gradient.size(0);
  const at::Tensor input = tape.input.narrow(0, first_row, rows);
  const at::Tensor first = tape.first.narrow(0, first_row, rows);
  const at::Tensor second = tape.second.narrow(0, first_row, rows);
  Layers sums = layers(gradient);

  sums.weight[2].view({hidden}).addmv_(second.t(), output_gradient);
  sums.bias[2].add_(output_gradient.sum());
  const at::Tensor of_second =
      at::threshold_backward(at::outer(output_gradient, views_.weight[2].view({hidden})), second, 0);
  sums.weight[1].addmm_(of_second.t(), first);
  sums.bias[1].add_(of_second.sum(0));
  at::Tensor of_first = at::threshold_backward(at::mm(of_second, views_.weight[1]), first, 0);
  sums.weight[0].addmm_(of_first.t(), input);
  sums.bias[0].add_(of_first.sum(0));
  return of_first;
}

at::Tensor Mlp::input_gradient(const at::Tensor& first_layer_gradient) const {
  return at::mm(first_layer_gradient, views_.weight[0]);
}

}  // namespace weft
