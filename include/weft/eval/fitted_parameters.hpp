#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "weft/comm/communicator.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/io/dataset.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// The phi of each neuron in words: the weighted least-squares fit of -x / tau + s psi(x), (N) each, the same
/// on every rank. Both are in the gauge; psi is that of the first group.
struct FittedParameters {
  std::vector<double> rate;           ///< 1 / tau [1 / time units]
  std::vector<double> self_coupling;  ///< s
  std::vector<double> misfit;         ///< rms of what the fit leaves over that of phi, with the fit's weights

  bool empty() const { return rate.empty(); }
};

/// The fit on a grid over [-xnorm, xnorm]; a point weighs as much as the normal density with the mean and the
/// standard deviation of all activity. Empty where psi is a straight line to rounding, as tau and s then are
/// one number, or has no scale.
/// @collective over the row shards.
FittedParameters fit_parameters(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                const ActivityStatistics& activity);

/// `types` of metrics.json: tau and s of each cluster, from the means over its neurons, with their errors,
/// and the true ones where `truth` is not null. `cluster` is (N). A number that cannot be had is absent.
/// Local.
nlohmann::json describe_types(const FittedParameters& fitted, std::span<const std::int64_t> cluster,
                              const NeuronTypeTruth* truth);

}  // namespace weft
