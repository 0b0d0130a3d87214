#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include "weft/core/progress.hpp"
#include "weft/io/checkpoint.hpp"

namespace weft {

/// A training method. All methods end in the same artifact: rows of W, latents, psi*, phi*.
class Trainer {
 public:
  virtual ~Trainer() = default;

  /// Runs to the end. @collective over the process grid.
  /// @throws UserError on all ranks where training diverges, UnidentifiableError where the data hold no
  /// answer.
  virtual void train(const ProgressSink& progress) = 0;
  /// What to save, as views into the trainer's memory. After `train`, until the trainer goes. Local.
  virtual ModelArrays arrays() const = 0;
  /// What the method has to say of its own work, groups of metrics.json by name (docs/metrics.md); the same
  /// on every rank. After `train`. Local.
  virtual nlohmann::json findings() const = 0;
  virtual std::int64_t steps_done() const = 0;
};

}  // namespace weft
