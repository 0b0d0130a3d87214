#pragma once

#include <string>
#include <vector>

#include "weft/sim/neuron_types.hpp"

namespace weft {

/// A run of the reference's own simulator with 24 neurons: a group of tests/golden/sim_n24.h5. Times x
/// neurons, row-major.
struct GoldenRun {
  static constexpr std::int64_t kNeurons = 24;
  static constexpr std::int64_t kFrames = 201;
  static constexpr double kDt = 0.01;

  /// `group` is noise_free, whose `noise` is all zeros, or noise_1.
  explicit GoldenRun(const std::string& group);

  std::vector<float> connectivity;  ///< [post, pre]
  NeuronParameters parameters;
  std::vector<float> activity, derivative;                   ///< as the reference computed them, in float32
  std::vector<double> activity_float64, derivative_float64;  ///< the same in float64
  std::vector<float> noise;                                  ///< noise[t] leads from frame t to frame t + 1
};

}  // namespace weft
