#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/io/dataset.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// `points` abscissae from `first` to `last`, both included; points >= 2. Local.
std::vector<double> linear_grid(double first, double last, std::int64_t points);

/// s tanh(x) - c x of one type (Allier et al. 2026, equation 2). Local.
double true_phi(const NeuronTypeTruth& truth, std::int64_t type, double x);
/// tanh(x). Local.
double true_psi(double x);

/// Learned psi of a group at every x, offset and scale fixed by `gauge`. Local.
std::vector<double> gauged_psi(const RecoveredModel& model, const Gauge& gauge, std::int64_t group,
                               std::span<const double> x);
/// Learned phi of own neurons [first, first + count) at every x, offset fixed: (count x x.size()). Local.
std::vector<double> gauged_phi(const RecoveredModel& model, const Gauge& gauge, LocalRow first,
                               std::int64_t count, std::span<const double> x);

struct PsiErrors {
  double max_error = 0;
  double rms_error = 0;
};
/// `learned`, (groups x x.size()), against true_psi: the errors of the worst group. Local.
PsiErrors compare_psi(std::span<const double> x, std::span<const double> learned);

struct PhiErrors {
  double rms_error = 0;
  std::optional<double> relative_rms_error;  ///< absent where the true phi is 0 everywhere
};
/// The phi of all neurons against their types' true ones, at every x with equal weight.
/// @collective over the row shards.
PhiErrors compare_phi(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                      const NeuronTypeTruth& truth, std::span<const double> x);

}  // namespace weft
