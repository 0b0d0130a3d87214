#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/core/progress.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// The losses of a training, one entry a recorded step; each loss over the neurons, as the published code
/// prints it.
struct LossHistory {
  std::vector<std::int64_t> step;
  std::vector<double> total, data, phi_zero, psi_monotone;
};

/// What a checkpoint of a trained model holds, as views into the trainer's memory.
struct ModelArrays {
  std::vector<ArrayView> rows;    ///< of this shard
  std::vector<ArrayView> common;  ///< the same on every rank
};

/// A training method. All methods end in the same artifact: rows of W, latents, psi*, phi*.
class Trainer {
 public:
  virtual ~Trainer() = default;

  /// Runs to the end. @collective over the process grid.
  /// @throws UserError on all ranks where training diverges.
  virtual void train(const ProgressSink& progress) = 0;
  /// After `train`, until the trainer goes. Local.
  virtual ModelArrays arrays() const = 0;
  virtual const LossHistory& history() const = 0;
  virtual std::int64_t steps_done() const = 0;
};

}  // namespace weft
