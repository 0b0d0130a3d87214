#include "dense_libtorch.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/optim/adam.h>

namespace weft {
namespace {

std::vector<at::Tensor> made_mlp(std::int64_t inputs) {
  std::vector<at::Tensor> layers{at::randn({64, inputs}),       at::randn({64}),
                                 at::randn({64, 64}).mul_(0.1), at::zeros({64}),
                                 at::randn({1, 64}).mul_(0.1),  at::zeros({1})};
  for (at::Tensor& layer : layers) layer.set_requires_grad(true);
  return layers;
}

at::Tensor evaluate(const std::vector<at::Tensor>& mlp, const at::Tensor& input) {
  const at::Tensor first = at::relu(at::addmm(mlp[1], input, mlp[0].t()));
  const at::Tensor second = at::relu(at::addmm(mlp[3], first, mlp[2].t()));
  return at::addmm(mlp[5], second, mlp[4].t()).squeeze(1);
}

}  // namespace

struct PlainAdam::Impl {
  torch::optim::Adam adam;
};

PlainAdam::PlainAdam(const std::vector<at::Tensor>& parameters)
    : impl_(new Impl{torch::optim::Adam(parameters, torch::optim::AdamOptions(1e-3))}) {}
PlainAdam::~PlainAdam() = default;

void PlainAdam::step() {
  impl_->adam.step();
  impl_->adam.zero_grad();
}

FusedAdam::FusedAdam(const std::vector<at::Tensor>& parameters) : parameters_(parameters) {
  for (const at::Tensor& parameter : parameters) {
    first_moments_.push_back(at::zeros_like(parameter));
    second_moments_.push_back(at::zeros_like(parameter));
    counts_.push_back(at::zeros({}));
  }
}

void FusedAdam::step() {
  const at::NoGradGuard guard;
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : parameters_) gradients.push_back(parameter.grad());
  for (at::Tensor& count : counts_) count.add_(1);
  at::_fused_adam_(parameters_, gradients, first_moments_, second_moments_, {}, counts_, 1e-3, 0.9, 0.999, 0,
                   1e-8, false, false);
  for (at::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
}

template <typename Optimiser>
DenseLibTorch<Optimiser>::DenseLibTorch(std::int64_t neurons)
    : connectivity_(at::randn({neurons, neurons})),
      embedding_(at::ones({neurons, 2})),
      psi_(made_mlp(1)),
      phi_(made_mlp(3)) {
  connectivity_.set_requires_grad(true);
  embedding_.set_requires_grad(true);
  std::vector<at::Tensor> parameters{connectivity_, embedding_};
  parameters.insert(parameters.end(), psi_.begin(), psi_.end());
  parameters.insert(parameters.end(), phi_.begin(), phi_.end());
  optimiser_ = std::make_unique<Optimiser>(parameters);
}

template <typename Optimiser>
double DenseLibTorch<Optimiser>::step(const at::Tensor& x, const at::Tensor& y) {
  constexpr double delta = 13.0 / 150;
  const std::int64_t batch = x.size(0), neurons = x.size(1);
  const at::Tensor flat = x.reshape({-1, 1});
  const at::Tensor a = embedding_.unsqueeze(0).expand({batch, neurons, 2}).reshape({-1, 2});
  const at::Tensor psi = evaluate(psi_, flat);
  const at::Tensor shifted = evaluate(psi_, flat + delta);
  const at::Tensor phi = evaluate(phi_, at::cat({flat, a}, 1));
  const at::Tensor at_zero = evaluate(phi_, at::cat({at::zeros({neurons, 1}), embedding_}, 1));
  const at::Tensor prediction =
      phi.view({batch, neurons}) + psi.view({batch, neurons}).matmul(connectivity_.t());
  const at::Tensor loss = at::linalg_vector_norm(prediction - y) +
                          at::linalg_vector_norm(at_zero) * static_cast<double>(batch) +
                          at::linalg_vector_norm(at::relu(psi - shifted)) * 100;
  loss.backward();
  optimiser_->step();
  {
    const at::NoGradGuard guard;
    connectivity_.fill_diagonal_(0);
  }
  return loss.item<double>();
}

template class DenseLibTorch<PlainAdam>;
template class DenseLibTorch<FusedAdam>;

}  // namespace weft
