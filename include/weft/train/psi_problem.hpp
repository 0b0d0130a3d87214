#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/model/spline.hpp"
#include "weft/train/frame_choice.hpp"
#include "weft/train/neuron_signals.hpp"
#include "weft/train/psi_projection.hpp"
#include "weft/train/work_log.hpp"

namespace weft {

/// A psi with everything linear solved for: what is left of the sampled rows, and with what. float64 but the
/// weights, on the signals' device; `frames` are this replica's.
struct PsiEvaluation {
  double residual = 0;   ///< rms of the remainder over the rms of y
  at::Tensor rest_phi;   ///< (R x frames x M) the splines of each row's phi, projected off psi(x)
  at::Tensor metric;     ///< (R x M x M) S_i: Gram matrices of those; on the host
  at::Tensor inverse;    ///< (R x M x M) of S_i, truncated
  at::Tensor phi;        ///< (R x M) coefficients of each row's phi
  at::Tensor remainder;  ///< (frames x R)
  at::Tensor weights;    ///< (own columns x R) W of the sampled rows, in the units of psi as given
};

/// Half the squared residual as a function of psi's coefficients, to second order. On the host.
struct PsiNormalEquations {
  at::Tensor matrix;    ///< J'J, (unknowns x unknowns), in Kaufman's approximation
  at::Tensor gradient;  ///< J'r, (unknowns x 1): minus the gradient, which the approximation leaves exact
};

/// The nonlinear least-squares problem for psi that some postsynaptic rows and frames pose, their
/// connectivity and phi projected out (Golub & Pereyra 1973; Kaufman 1975). All calls but the accessors are
/// collective over the grid, with the same result on every rank.
class PsiProblem {
 public:
  /// `rows` of W and `frames` of the dataset, of which each replica takes its share. Grid, signals and log
  /// must outlive the problem.
  PsiProblem(const ProcessGrid& grid, const NeuronSignals& signals, std::vector<std::int64_t> rows,
             const Frames& frames, std::int64_t psi_splines, std::int64_t phi_splines,
             const EquationForm& form, WorkLog& log);

  /// `psi` is (groups x psi splines). @throws NumericalBreakdown on all ranks.
  PsiEvaluation evaluate(const std::vector<double>& psi);
  /// At the psi that was evaluated last. @throws NumericalBreakdown on all ranks.
  PsiNormalEquations linearise(const PsiEvaluation& evaluation) const;
  /// `count` other rows for each end of psi, with the strongest weights from the neurons that own the most
  /// extreme activity: the ends are seen only through them. To be called after an evaluation.
  std::vector<std::int64_t> rows_that_hear_the_ends(std::int64_t count) const;

  const std::vector<std::int64_t>& rows() const { return rows_; }
  std::int64_t frames() const { return frames_; }
  std::int64_t unknowns() const { return signals_.groups * psi_splines_; }
  /// Squares of the sampled y about their means.
  double total_squares() const { return total_squares_; }
  /// Residuals that the fit does not use up.
  double degrees_of_freedom() const;

 private:
  at::Tensor centred(at::Tensor values) const;
  at::Tensor series_of_rows(const Frames& frames) const;
  at::Tensor weights_from(const std::vector<std::int64_t>& neurons) const;
  at::Tensor project(const at::Tensor& values, at::Tensor* coefficients) const;
  void solve_rows(PsiEvaluation& evaluation, const at::Tensor& projected,
                  const at::Tensor& coefficients) const;

  const ProcessGrid& grid_;
  const NeuronSignals& signals_;
  WorkLog& log_;
  std::vector<std::int64_t> rows_;
  std::int64_t frames_;
  Frames own_frames_;
  std::int64_t psi_splines_;
  UniformSplines phi_basis_;
  EquationForm form_;
  at::Tensor data_;  ///< (own frames x R (1 + M)) float64: y, then the splines of each row's phi
  double total_squares_ = 0;
  std::optional<PsiProjection> projection_;  ///< of the psi that was evaluated last
};

}  // namespace weft
