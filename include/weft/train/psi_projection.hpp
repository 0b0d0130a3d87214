#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/train/column_scaling.hpp"
#include "weft/train/gram_factor.hpp"
#include "weft/train/neuron_signals.hpp"
#include "weft/train/work_log.hpp"

namespace weft {

/// Projects series off the span of Psi = psi(x), (frames x N), for one psi: the linear half of variable
/// projection. Columns of Psi have mean 0 and variance 1. All calls are collective over the grid; series are
/// (own frames x any number), the same on every shard, and each replica has its own frames.
class PsiProjection {
 public:
  /// Forms the Gram matrix and factors it. `frames` are this replica's; grid and signals must outlive the
  /// object.
  /// @throws NumericalBreakdown on all ranks.
  PsiProjection(const ProcessGrid& grid, const NeuronSignals& signals,
                const std::vector<std::int64_t>& frames, const std::vector<double>& psi,
                const EquationForm& form, WorkLog& log);

  /// What is left of the columns of `values`, float64. A second round refines the first: it removes its
  /// rounding and the ridge's bias. `coefficients`, unless null, become (columns x N) float64, in units of
  /// the scaled Psi.
  /// @throws NumericalBreakdown on all ranks, where the refinement does not refine.
  at::Tensor project(const at::Tensor& values, at::Tensor* coefficients) const;
  /// Floating-point operations of this rank for so many columns.
  double project_flops(std::int64_t columns) const;
  /// Psi G^-1 e for each column e of `unit`, (N x any number): (own frames x that number).
  at::Tensor filters(const at::Tensor& unit) const;

  const ColumnScaling& scaling() const { return scaling_; }

 private:
  void factor(WorkLog& log);
  at::Tensor right_hand_sides(const at::Tensor& values) const;
  at::Tensor solve(const at::Tensor& right) const;
  at::Tensor combine(const at::Tensor& coefficients) const;

  const ProcessGrid& grid_;
  const NeuronSignals& signals_;
  EquationForm form_;
  at::Tensor psi_;  ///< (own frames x own columns)
  ColumnScaling scaling_;
  std::unique_ptr<GramFactor> factor_;
};

}  // namespace weft
