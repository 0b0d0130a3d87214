#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/train/between_steps.hpp"
#include "weft/train/frame_choice.hpp"
#include "weft/train/neuron_signals.hpp"
#include "weft/train/work_log.hpp"

namespace weft {

struct PsiSearchOptions {
  std::int64_t psi_splines = 48;  ///< K
  std::int64_t phi_splines = 40;  ///< M
  std::int64_t rows = 8;          ///< postsynaptic rows that psi is found from
  std::int64_t last_rows = 32;    ///< the same, of the last steps
  std::int64_t noisy_rows = 64;   ///< the same, where y is noisy
  EquationForm form;
  std::uint64_t seed = 0;
};

/// psi, and the phi of the sampled rows.
struct PsiSearchResult {
  std::vector<double> psi;  ///< (groups x K), each group of mean 0 and variance 1 over the data
  /// Root mean square over the data, of the group where it is largest, of psi's standard error: from what the
  /// sampled rows leave and how much of it a change of psi would take up. Offset and scale, which are free,
  /// left out.
  double psi_error = 0;
  std::vector<std::int64_t> rows;  ///< the postsynaptic rows of the last step
  std::vector<double> phi;     ///< (rows x M) coefficients of their phi, up to what psi and a constant can do
  std::vector<double> metric;  ///< (rows x M x M) how much the data feel of each phi: Phi' Phi off psi
  double total_squares = 0;    ///< of the sampled y
  double residual_squares = 0;
  double degrees_of_freedom = 0;
  std::int64_t frames = 0;

  std::vector<double> residuals, dampings;  ///< relative rms residual and damping, one an evaluation
  std::int64_t rejected_steps = 0;

  double residual() const;
};

/// Where a search for psi is: all that it needs to go on. On the host, the same on every rank.
struct PsiSearchState {
  static constexpr std::int64_t kParts = 3;  ///< problems, each of more rows and frames
  /// A psi that was evaluated.
  struct Point {
    std::vector<double> psi;                                    ///< (groups x K)
    double residual = std::numeric_limits<double>::infinity();  ///< where there is none yet
    std::vector<double> phi, metric;                            ///< as in the result
  };
  /// What a step from it is taken on, of unknowns u = groups x K.
  struct Quadratic {
    at::Tensor matrix, gradient, damping;  ///< (u x u), (u x 1), (u x u) float64
  };

  std::int64_t part = 0;           ///< kParts: psi is found
  std::vector<std::int64_t> rows;  ///< postsynaptic rows of the present part; none before the first
  std::int64_t frames = 0;         ///< to be sampled for it
  std::int64_t steps = 0;          ///< evaluations in it
  std::vector<double> next;        ///< psi to be evaluated next
  Point best;                      ///< of the present part
  Quadratic quadratic;             ///< at the best point
  double damping = 1e-6;
  PsiSearchResult result;  ///< of all parts: residuals, dampings, rejected steps; in the end everything
};

/// Finds psi by variable projection (Golub & Pereyra 1973, in Kaufman's form of 1975): Gauss-Newton on the K
/// coefficients of psi, with the connectivity of a few rows and their phi projected out exactly at each step.
/// When the residual is under 0.1, rows are added that hear the neurons which own the most extreme activity;
/// when it is under 1e-4, or does not fall any more, the last steps are done on more rows and frames. Stops
/// where the predicted gain is below K / 2 in chi squared, or, under a residual of 1e-3, below 4 %.
/// Goes on from `state`, new for a new search, and leaves the result in it; after each evaluation, when it is
/// known what comes next, there is a call of `between`. @collective over the grid.
/// @throws NumericalBreakdown on all ranks, and what `between` throws.
void find_psi(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& frames,
              const PsiSearchOptions& options, PsiSearchState& state, const BetweenSteps& between,
              WorkLog& log);

/// Floating-point operations of one evaluation of psi with its derivative, of one rank: what progress is
/// reckoned by.
double psi_step_flops(const ProcessGrid& grid, const NeuronSignals& signals, const PsiSearchOptions& options);

/// Frames that the search begins with: a quarter more than unknowns of a row, up to 4 N where N is small.
std::int64_t psi_search_frames(std::int64_t neurons, std::int64_t groups, const PsiSearchOptions& options);
/// Frames that its last steps take where y is clean: all, as far as work and memory allow.
std::int64_t last_search_frames(std::int64_t neurons, std::int64_t groups, const PsiSearchOptions& options);

}  // namespace weft
