#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/train/between_steps.hpp"
#include "weft/train/column_scaling.hpp"
#include "weft/train/frame_choice.hpp"
#include "weft/train/gram_factor.hpp"
#include "weft/train/gram_matrix.hpp"
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

/// What every row is solved for. The references must outlive the solve.
struct RowProblem {
  const NeuronSignals& signals;
  const FrameChoice& frames;
  GivenPsi psi;
  const PhiShapes& shapes;
  EquationForm form;
  std::int64_t chunk = 0;  ///< frames that are worked on at a time; 0: row_solver_chunk
};

/// What brings the series of the rows to mean 0, and the columns of Psi to variance 1 as well.
struct SeriesScaling {
  ColumnScaling psi, y;
  std::vector<ColumnScaling> shapes;
};

/// How far the rows are.
enum class RowStage : std::int64_t {
  begun,     ///< nothing is known
  adding,    ///< sums over the frames, of which some may have been added
  added,     ///< the sums are complete
  refining,  ///< solved, and refined some rounds; of the next one some frames may have been added
  refined,   ///< for the last time
  solved,    ///< and in the units of psi as given
};

/// Where the solution of the rows is: all that is needed to go on. Own rows, m shapes; what is not needed at
/// a stage is empty. Large arrays lie where the rank computes.
struct RowState {
  RowStage stage = RowStage::begun;
  std::int64_t frames_done = 0;  ///< in the pass that is under way; 0 where replicas share the frames out
  SeriesScaling scaling;         ///< from `adding` on; when solved, of y alone

  std::unique_ptr<GramMatrix> gram;    ///< while adding
  at::Tensor matrix;                   ///< G (N x N), when added; its factor, when just restored
  std::unique_ptr<GramFactor> factor;  ///< while refining and when refined
  double ridge = 0;                    ///< of the factor

  at::Tensor weights;  ///< (rows x N): Psi' y; W, from `refining` on; in units of the scaled Psi until solved
  at::Tensor shape_right;     ///< C, (m rows x N): each own neuron's shapes times Psi; when added
  at::Tensor shape_products;  ///< (rows x m x m) float64, of the data; when added
  at::Tensor shape_data;      ///< (rows x m) float64; when added
  at::Tensor row_squares;     ///< (rows) float64, of y; until refined
  double total_squares = 0;   ///< of all y; from `added` on

  at::Tensor shape_solved;   ///< Z = C G^-1, (m rows x N); while refining
  at::Tensor schur_inverse;  ///< (rows x m x m) float64; while refining
  at::Tensor shape_weight;   ///< (rows x m) float64; from `refining` on
  double change = 1;         ///< of W, relative, by the last refinement
  // Of the refinement under way, from what is left of y:
  at::Tensor right;         ///< (rows x N), right-hand sides of Psi
  at::Tensor shape_rest;    ///< (rows x m) float64, of the shapes
  at::Tensor rest_squares;  ///< (rows) float64

  RowSolution solution;  ///< what is known of it so far
};

/// Least squares of every row in (W_i, the weights of the shapes, a constant), jointly, by the Schur
/// complement on one Gram matrix, refined against the data until a further round would change W by under 1e-5
/// of itself. Error bars: var(W_ij) = sigma_i^2 (G^-1)_jj. What the shapes add to it is of order 1 / T and
/// left out.
/// Goes on from `state`, new for a new solve, and leaves the solution in it; between chunks of frames and
/// stages `between` is called. @collective over the grid.
/// @throws NumericalBreakdown on all ranks, and what `between` throws.
void solve_rows(const ProcessGrid& grid, const RowProblem& problem, RowState& state,
                const BetweenSteps& between, WorkLog& log);

/// Frames that are read and gathered at a time: 2^24 numbers of psi.
std::int64_t row_solver_chunk(std::int64_t neurons);

/// Floating-point operations of a rank, with one refinement.
double solve_rows_flops(const ProcessGrid& grid, std::int64_t neurons, std::int64_t frames,
                        std::int64_t shapes);

}  // namespace weft
