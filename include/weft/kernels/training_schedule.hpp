#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "weft/core/host_device.hpp"
#include "weft/core/philox.hpp"
#include "weft/kernels/row_kernels.hpp"

namespace weft {

/// The parts of a model that are trained, each with a learning rate of its own.
enum TrainedPart { kConnectivity, kEmbedding, kPhi, kPsi, kTrainedParts };

/// What decides each step of a training. Plain data, which a kernel takes as it is.
struct TrainingSchedule {
  Philox random;                 ///< draws the frames, by step and entry of the batch
  std::int64_t usable = 0;       ///< frames to draw from
  std::int64_t first_entry = 0;  ///< of the batch: where this replica's begin
  std::int64_t entries = 0;      ///< of this replica
  std::int64_t steps = 0;        ///< of the whole training
  double final_rate = 1;         ///< what a cosine leaves of the learning rates by the last step
  double learning_rate[kTrainedParts] = {};
  std::int64_t window = 1;  ///< steps whose losses are kept until the host looks at them
};

/// How far a training is. It lies where the kernels' other data do.
struct TrainingCounters {
  std::int64_t step = 0;        ///< steps begun
  std::int64_t adam_count = 0;  ///< since Adam's moments were cleared
  std::int64_t slot = 0;        ///< of the present step's losses in their window
};

/// Which of the usable frames entry `entry` of the batch takes at step `step`, from 0.
WEFT_HOST_DEVICE inline std::int64_t drawn_place(const TrainingSchedule& schedule, std::int64_t step,
                                                 std::int64_t entry) {
  return static_cast<std::int64_t>(schedule.random.below(static_cast<std::uint64_t>(schedule.usable),
                                                         static_cast<std::uint64_t>(step),
                                                         static_cast<std::uint64_t>(entry)));
}

/// What is left of the learning rates at a step.
WEFT_HOST_DEVICE inline double rate_factor(const TrainingSchedule& schedule, std::int64_t step) {
  const double passed = static_cast<double>(step) / static_cast<double>(schedule.steps);
  return schedule.final_rate +
         (1 - schedule.final_rate) * (1 + std::cos(std::numbers::pi * passed)) / 2;
}

/// Begins a step: counts it, sets each part's Adam factors, (parts), and draws frames: frames[b] =
/// choices[drawn_place] for each own entry b; without `choices`, the place in a ring of two windows' batches
/// that the host fills ahead of the steps. Without `frames`, none. Local.
WEFT_HOST_DEVICE inline void begin_step(const TrainingSchedule& schedule, TrainingCounters& counters,
                                        const std::int64_t* choices, std::int64_t* frames,
                                        AdamFactors* factors) {
  const std::int64_t step = counters.step;
  if (frames != nullptr) {
    for (std::int64_t b = 0; b < schedule.entries; ++b) {
      frames[b] = choices != nullptr ? choices[drawn_place(schedule, step, schedule.first_entry + b)]
                                     : step % (2 * schedule.window) * schedule.entries + b;
    }
  }
  counters.slot = step % schedule.window;
  counters.step = step + 1;
  ++counters.adam_count;
  const double left = rate_factor(schedule, step);
  for (int part = 0; part < kTrainedParts; ++part)
    factors[part] = adam_factors(left * schedule.learning_rate[part], counters.adam_count);
}

}  // namespace weft
