#pragma once

#include <numeric>

#include <ATen/ops/randn.h>

#include "weft/train/training_data.hpp"

namespace weft {

/// Activity as it looks (standard deviation 8), targets likewise, of a few frames; the time of a step does
/// not depend on the values.
inline TrainingData made_up_data(std::int64_t neurons) {
  constexpr std::int64_t kFrames = 64;
  TrainingData data{RowPartition(neurons, 1),
                    0,
                    at::randn({kFrames, neurons}).mul_(8),
                    at::randn({kFrames, neurons}).mul_(10),
                    {},
                    13};
  data.frames.with_derivative.resize(kFrames);
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  return data;
}

}  // namespace weft
