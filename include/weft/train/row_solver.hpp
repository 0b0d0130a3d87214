#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/train/frame_choice.hpp"
#include "weft/train/neuron_signals.hpp"
#include "weft/train/phi_shapes.hpp"
#include "weft/train/work_log.hpp"

namespace weft {

/// Every row of W with its phi, for a known psi. Values of this shard's rows unless said otherwise.
struct RowSolution {
  at::Tensor weights;  ///< (rows x N), the diagonal still in it; columns of silent neurons are 0. On the host
  std::vector<double> shape_weight;  ///< (rows x shapes)
  std::vector<double> constant;      ///< (rows)
  std::vector<double> deviation;     ///< (rows) of y_i's residual, by its degrees of freedom
  std::vector<double> residual;      ///< (rows) rms residual over the rms of y_i's variation
  std::vector<double> column_error;  ///< (N) sqrt((G^-1)_jj) in the units of W; infinite where silent

  std::vector<double> residuals;        ///< of all rows, relative: after the solve, and after each refinement
  double residual_autocorrelation = 0;  ///< of frames one apart; 0 where series are differenced
  double smallest_pivot = 0, largest_pivot = 0;
  /// Mean over columns of 1 - d_j (G^-1)_jj, the diagonal of the resolution matrix: the share of W that the
  /// data determine. d_j is what the ridge, the rounding of activity to float32 and the error of psi add to
  /// G_jj; they draw the rest of W to 0. Near 0 where activity goes in few directions.
  double resolution = 1;
  std::int64_t weak_directions = 0;  ///< pivots of the scaled G under 1e-4
  std::int64_t silent_columns = 0;
  std::optional<double> validation_r2;  ///< of y at the frames held out; absent where there are none
};

/// psi with its standard error, over its deviation in the data.
struct GivenPsi {
  std::span<const double> coefficients;  ///< (groups x splines)
  double error = 0;
};

/// Least squares of every row in (W_i, the weights of the shapes, a constant), jointly, by the Schur
/// complement on one Gram matrix, refined against the data until a further round would change W by under 1e-5
/// of itself. Error bars: var(W_ij) = sigma_i^2 (G^-1)_jj. What the shapes add to it is of order 1 / T and
/// left out.
/// @collective over the grid. @throws NumericalBreakdown on all ranks.
RowSolution solve_rows(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& frames,
                       const GivenPsi& psi, const PhiShapes& shapes, const EquationForm& form, WorkLog& log);

/// Frames that are read and gathered at a time: 2^24 numbers of psi.
std::int64_t row_solver_chunk(std::int64_t neurons);

/// Floating-point operations of a rank, with one refinement.
double solve_rows_flops(const ProcessGrid& grid, std::int64_t neurons, std::int64_t frames,
                        std::int64_t shapes);

}  // namespace weft
