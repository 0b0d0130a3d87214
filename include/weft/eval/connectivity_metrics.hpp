#pragma once

#include <functional>
#include <optional>

#include "weft/comm/communicator.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// Learned against true W; docs/metrics.md has the formulas. A number that the data do not define (a matrix
/// without variance, a psi without scale) is absent.
struct ConnectivityMetrics {
  std::optional<double> r2;              ///< squared Pearson correlation, all N^2 entries
  std::optional<double> slope;           ///< least squares of learned on true, all N^2 entries
  std::optional<double> r2_strict;       ///< off the diagonal, against the line of slope 1 through 0
  std::optional<double> relative_error;  ///< Frobenius, off the diagonal
};

/// Streams over blocks of rows: a rank holds its own rows of W and 256 rows of the truth. Rows whose true
/// gain is 0 leave no trace in the data and are left out.
/// @collective over the row shards. @throws UserError where the truth cannot be read.
ConnectivityMetrics compare_connectivity(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                         const Truth& truth);

/// One row of both matrices, N long.
struct WeightRow {
  LocalRow row{};
  double gain = 1;  ///< g of the postsynaptic neuron
  const float* learned = nullptr;
  const float* truth = nullptr;
};

/// Calls `visit` for every own row with a gain other than 0, in order. Local.
void for_each_weight_row(const RecoveredModel& model, const Truth& truth,
                         const std::function<void(const WeightRow&)>& visit);

}  // namespace weft
