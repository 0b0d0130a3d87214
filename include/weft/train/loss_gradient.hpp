#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/comm/run_control.hpp"
#include "weft/config/config.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/train/connectivity_optimizer.hpp"

namespace weft {

/// The terms of the loss of one batch, as weighted in their sum.
struct Losses {
  double data = 0;          ///< |R|, the un-squared norm over all frames and neurons
  double phi_zero = 0;      ///< B c |phi(a, 0)|
  double psi_monotone = 0;  ///< c sum_b |relu(psi(x_b) - psi(x_b + delta))|
  double total() const { return data + phi_zero + psi_monotone; }
};

/// What a step sums over all ranks for the host to look at: three losses, then votes.
constexpr std::int64_t kStepSums = 3 + Votes::kCount;

/// The losses of steps: `sums` is (steps x kStepSums), or (kStepSums) of one step, as StepGradient has them.
/// Local.
std::vector<Losses> losses_in(const at::Tensor& sums);
/// The votes of all ranks at the last of these steps. Local.
Votes votes_in(const at::Tensor& sums);

/// The gradient of one batch, on the model's device. W's is kept as its factors: dL/dW = sum_b g[b]
/// psi_values[b]' off the diagonal.
struct StepGradient {
  at::Tensor sums;        ///< (kStepSums) float64: data, phi_zero, psi_monotone; the votes of all ranks
  at::Tensor psi;         ///< as Mlp::parameters, the same on every rank
  at::Tensor phi;         ///< as Mlp::parameters, the same on every rank
  at::Tensor embedding;   ///< (rows x 2), of this shard
  at::Tensor g;           ///< (B x rows), of this shard, all replicas' frames
  at::Tensor psi_values;  ///< (B x N), all replicas' frames
};

/// The Euclidean norm of a gradient over all parameters. Terms of W alone (l1, l2) are left out. To be asked
/// for now and then: the host waits for it. @collective over the grid.
double gradient_norm(const ProcessGrid& grid, const SignalGnn& model, const StepGradient& gradient);

/// Loss and gradient of the published training (Allier et al. 2026; its code at 995d621: un-squared norms),
/// computed densely: psi on the neurons, one product with W, no edge list.
///
///     M = W psi(x)     R = phi(a, x) + M - y     L = |R| + B c0 |phi(a, 0)| + c1 sum_b |relu(psi(x_b) -
///     psi(x_b + delta))|
///
/// The gradient of a norm at 0 is 0. Terms of W alone (l1, l2) belong to ConnectivityOptimizer.
/// Collectives of a call: an all-gather of psi's values and a reduce-scatter of dL/dpsi over the rows, one
/// all-reduce of all that is small over all ranks, and with replicas an all-gather of W's gradient factors
/// over them. On a GPU the host looks at no number.
class LossGradient {
 public:
  LossGradient(const ProcessGrid& grid, const LossConfig& weights, double delta);

  /// This replica's frames x, y (B / replicas x rows). Applies the step that waits in `connectivity`.
  /// `votes` (Votes::kCount), of W's type, are this rank's, on the model's device as all else.
  /// @collective over the grid.
  StepGradient operator()(const SignalGnn& model, ConnectivityOptimizer& connectivity, const at::Tensor& x,
                          const at::Tensor& y, const at::Tensor& votes);

 private:
  struct Small;
  struct PsiPass;
  struct PhiPass;
  struct EmbeddingGradient;

  PsiPass evaluate_psi(const SignalGnn& model, const at::Tensor& x) const;
  PhiPass evaluate_phi(const SignalGnn& model, const at::Tensor& x) const;
  void differentiate_psi(const SignalGnn& model, const PsiPass& pass, const at::Tensor& slope,
                         Small& small) const;
  EmbeddingGradient differentiate_phi(const SignalGnn& model, const PhiPass& pass, const at::Tensor& residual,
                                      Small& small) const;
  void scale(const Small& small, const at::Tensor& embedding_zero, StepGradient& gradient) const;
  at::Tensor gather_rows(const at::Tensor& own, const RowPartition& partition, at::Tensor& extra) const;
  at::Tensor scatter_rows(const at::Tensor& all, const RowPartition& partition, int shard) const;
  void gather_replicas(StepGradient& gradient) const;

  const ProcessGrid& grid_;
  LossConfig weights_;
  double delta_;
};

}  // namespace weft
