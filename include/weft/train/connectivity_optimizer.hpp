#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weft {

/// W of one shard with its Adam state, and the two products that training makes with it. The gradient of a
/// step is a sum of B outer products, known by its factors G and Psi. It is not applied at once: G needs the
/// norm of all residuals, which comes with the step's one all-reduce, and the next step's product has to read
/// W anyway. So `step` keeps the factors, and the next `forward` applies them in the same pass over W. Two
/// passes a step: 24 N^2 bytes in `forward`, 4 N^2 in `backward`. All tensors lie on W's device. Local.
class ConnectivityOptimizer {
 public:
  struct Settings {
    double l1 = 0, l2 = 0;
  };

  /// Works on `connectivity` (rows x N) in place; its diagonal, entry (i, first_row + i), is held at 0.
  ConnectivityOptimizer(at::Tensor connectivity, std::int64_t first_row, const Settings& settings);

  /// W psi for psi (B x N): (B x rows), after the step that waits, if any.
  at::Tensor forward(const at::Tensor& psi);
  /// W' g for g (B x rows): (B x N).
  at::Tensor backward(const at::Tensor& g) const;
  /// Takes over a step with the gradient sum_b g[b] psi[b]'; g (B x rows), psi (B x N), to be applied by
  /// `forward` or `flush`. `factors` (2) float64: the numbers of AdamFactors. All three are copied, to where
  /// those of the step before were: a recorded step finds them there.
  void step(const at::Tensor& g, const at::Tensor& psi, const at::Tensor& factors);
  /// Whether a step waits.
  bool waits() const { return waits_; }
  /// Applies the step that waits; W is then as the last `step` wants it. To be called before anybody else
  /// reads W.
  void flush();
  /// Clears the moments, after a flush: the reference does so at each epoch.
  void reset();

  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }

 private:
  void note_passes(std::int64_t products, int passes) const;
  /// One pass over W: the step that waits, then W next.
  void apply(const at::Tensor& next, at::Tensor& product);

  at::Tensor connectivity_;
  at::Tensor first_moment_;
  at::Tensor second_moment_;
  std::int64_t first_row_;
  Settings settings_;
  bool waits_ = false;
  at::Tensor g_, psi_, factors_;  ///< of the step that waits
};

}  // namespace weft
