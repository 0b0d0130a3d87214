#pragma once

#include <cstdint>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// Learned against true weights off the diagonal, as a two-dimensional histogram.
struct WeightScatter {
  std::vector<double> edges;         ///< (bins + 1), common to both axes, symmetric about 0
  std::vector<std::int64_t> counts;  ///< (bins x bins) [learned, true]
  std::int64_t outside = 0;          ///< pairs beyond the edges
};

/// The edges take in all true weights and at least 99.99 % of the learned ones, which are in the published
/// scale (the one that `connectivity.r2` and `connectivity.slope` speak of).
/// @collective over the row shards.
WeightScatter scatter_weights(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                              const Truth& truth, std::int64_t bins);

}  // namespace weft
