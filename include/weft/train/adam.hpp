#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weft {

/// Adam (Kingma & Ba 2015) with the published constants 0.9, 0.999 and 1e-8 for a tensor small enough to have
/// its gradient stored: psi, phi, the latents. W has ConnectivityOptimizer. Local.
class Adam {
 public:
  explicit Adam(const at::Tensor& parameters);

  /// One step on `parameters`, in place; `gradient` has their shape.
  void step(at::Tensor& parameters, const at::Tensor& gradient, double learning_rate);
  void reset();

  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }

 private:
  at::Tensor first_moment_;
  at::Tensor second_moment_;
  std::int64_t count_ = 0;
};

}  // namespace weft
