#pragma once

#include <cstdint>
#include <vector>

#include "weft/train/loss_gradient.hpp"

namespace weft {

/// The losses of a training, one entry a recorded step; each loss over the neurons, as the published code
/// prints it.
struct LossHistory {
  std::vector<std::int64_t> step;
  std::vector<double> total, data, phi_zero, psi_monotone;
};

/// The sum of the losses of the steps since the last record of a history.
struct LossWindow {
  Losses sum;
  std::int64_t steps = 0;

  void add(const Losses& losses);
  /// Appends the mean per neuron, as of `step`, and starts anew. At least one step must be there.
  void record(std::int64_t step, std::int64_t neurons, LossHistory& history);
};

}  // namespace weft
