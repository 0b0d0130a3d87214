#pragma once

#include <cstdint>
#include <functional>

#include <nlohmann/json.hpp>

#include "weft/comm/run_control.hpp"
#include "weft/io/checkpoint.hpp"

namespace weft {

/// Takes the state of a training under way, as views that end with the call; `step` grows from call to call.
/// Called by all ranks of the grid at the same step; may communicate. Does not throw where the state cannot
/// be written: the training goes on.
using SaveState = std::function<void(std::int64_t step, const ModelArrays& state)>;

/// A training method. All methods end in the same artifact: rows of W, latents, psi*, phi*.
class Trainer {
 public:
  virtual ~Trainer() = default;

  /// Runs to the end, from where the training is. Saves its state where `control` decides so. @collective
  /// over the process grid.
  /// @throws on all ranks: Stopped, after a save, where `control` decides so; DivergedError where numbers are
  /// no longer finite; UserError; UnidentifiableError where the data hold no answer.
  virtual void train(RunControl& control, const SaveState& save) = 0;
  /// Puts the training where it was when this state was saved, whatever it has done since. On the grid that
  /// saved it, it then goes on bit for bit as the training that was not interrupted; on another, to rounding.
  /// @collective over the process grid. @throws UserError on all ranks where the checkpoint does not fit.
  virtual void resume(const Checkpoint& state) = 0;
  /// After DivergedError: goes back to this state, to go on from it in smaller steps, which `train` then
  /// saves before the first. Does nothing, and says false, where this training is not to be sent back, or not
  /// again. @collective over the process grid.
  /// @throws UserError on all ranks where the checkpoint does not fit.
  virtual bool rewind(const Checkpoint&) { return false; }
  /// What to save at the end, as views into the trainer's memory. After `train`, until the trainer goes.
  /// Local.
  virtual ModelArrays arrays() const = 0;
  /// What the method has to say of its own work, groups of metrics.json by name (docs/metrics.md); the same
  /// on every rank. After `train`. Local.
  virtual nlohmann::json findings() const = 0;
  /// At least as many as any state that was saved says.
  virtual std::int64_t steps_done() const = 0;
};

}  // namespace weft
