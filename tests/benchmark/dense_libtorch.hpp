#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weft {

/// torch::optim::Adam, one launch a tensor and a pass.
class PlainAdam {
 public:
  explicit PlainAdam(const std::vector<at::Tensor>& parameters);
  ~PlainAdam();
  void step();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// LibTorch's fused kernel, at::_fused_adam_.
class FusedAdam {
 public:
  explicit FusedAdam(const std::vector<at::Tensor>& parameters);
  void step();

 private:
  std::vector<at::Tensor> parameters_, first_moments_, second_moments_, counts_;
};

/// The yardstick: the same dense model and loss, written as a user of LibTorch would, with autograd.
template <typename Optimiser>
class DenseLibTorch {
 public:
  explicit DenseLibTorch(std::int64_t neurons);
  /// One step on x, y (B x N); the loss.
  double step(const at::Tensor& x, const at::Tensor& y);

 private:
  at::Tensor connectivity_, embedding_;
  std::vector<at::Tensor> psi_, phi_;
  std::unique_ptr<Optimiser> optimiser_;
};

}  // namespace weft
