#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include "weft/comm/communicator.hpp"
#include "weft/comm/run_control.hpp"
#include "weft/eval/figures.hpp"
#include "weft/eval/neuron_table.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

struct Evaluation {
  /// docs/metrics.md defines every key: data, gauge, clusters, types; with a truth also connectivity, psi,
  /// phi; error_bars where the method has them. A number that cannot be had is absent. The same on every
  /// rank.
  nlohmann::json metrics;
  /// Complete on rank 0; what other ranks hold of these is of no use.
  Figures figures;
  NeuronTable neurons;
};

/// Compares a trained model with the truth, as far as there is one, and gathers what the panels show. No rank
/// holds more of W than its own rows, and 256 rows of the truth. `truth` is null where it is unknown, on all
/// ranks alike. The communicator works on host memory.
/// @collective over the row shards, which are those of model.partition().
/// Ends between two of its steps where `control`, which has nothing to save here, decides so.
/// @throws on all ranks: UserError where data cannot be read or hold values that are not finite; Stopped.
Evaluation evaluate(Communicator& rows, const RecoveredModel& model, const Dataset& dataset,
                    const Truth* truth, std::uint64_t seed, RunControl& control);

}  // namespace weft
