#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/eval/clustering.hpp"
#include "weft/eval/fitted_parameters.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// What is known of each neuron, (N) each. What cannot be known is empty.
struct NeuronTable {
  std::vector<std::int64_t> cluster;
  std::vector<std::int64_t> type;  ///< the true one
  std::vector<Latent> latents;
  FittedParameters fitted;
  WeightErrors errors;                 ///< of all rows
  std::vector<double> outgoing_error;  ///< of a weight to a neuron of median sigma, in the full gauge
};

/// The rows of all shards, on every rank. @collective over the row shards.
WeightErrors gather_weight_errors(Communicator& rows, const RecoveredModel& model, WeightErrors own);

/// The standard error of a weight from each neuron to one whose sigma_i is the median, times the scale of the
/// gauge. `errors` is of all rows. Local.
std::vector<double> outgoing_errors(const WeightErrors& errors, const Gauge& gauge);

/// results/neurons.csv (docs/metrics.md): a header, then a line a neuron; what is unknown is left empty.
/// Local.
std::string neurons_csv(const NeuronTable& table);

}  // namespace weft
