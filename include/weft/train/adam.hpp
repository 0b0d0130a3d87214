#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weft {

/// The factors of step `count`, from 1, since the moments were cleared, as the optimisers take them: (2)
/// float64, on the host. Local.
at::Tensor factors_at(double learning_rate, std::int64_t count);

/// Adam (Kingma & Ba 2015) with the published constants 0.9, 0.999 and 1e-8 for a tensor small enough to have
/// its gradient stored: psi, phi, the latents. W has ConnectivityOptimizer. All tensors lie on one device.
/// Local.
class Adam {
 public:
  explicit Adam(const at::Tensor& parameters);

  /// One step on `parameters`, contiguous, in place; `gradient` has their shape, `factors` (2) float64 are
  /// the numbers of AdamFactors.
  void step(at::Tensor& parameters, const at::Tensor& gradient, const at::Tensor& factors);
  void reset();

  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }

 private:
  at::Tensor first_moment_;
  at::Tensor second_moment_;
};

}  // namespace weft
