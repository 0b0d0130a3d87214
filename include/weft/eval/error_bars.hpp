#pragma once

#include <optional>

#include "weft/comm/communicator.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// The standard errors of W as a whole; docs/metrics.md has the formulas.
struct ErrorBars {
  std::optional<double> mean;         ///< absent where no weight is identifiable
  std::optional<double> coverage_95;  ///< absent without a truth or a scale, too
};

/// Over the weights off the diagonal from neurons that are heard, in the full gauge and, where `truth` is not
/// null, divided by the true gain; rows whose true gain is 0 are left out. A rank holds its own rows of W and
/// 256 rows of the truth.
/// @collective over the row shards. @throws UserError where the truth cannot be read.
ErrorBars measure_error_bars(Communicator& rows, const RecoveredModel& model, const WeightErrors& errors,
                             const Gauge& gauge, const Truth* truth);

}  // namespace weft
