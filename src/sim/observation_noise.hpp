#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/philox.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/sim/dynamics.hpp"

namespace weft {

/// Normal observation noise on the recorded derivative: of one deviation for all neurons, set by the variance
/// that the derivative has over the steps watched, all neurons and trajectories taken together. The same bits
/// on any number of ranks and threads. Arrays are (trajectories x own neurons).
class ObservationNoise {
 public:
  /// @param snr_db  the derivative's variance over that of the noise [dB].
  ObservationNoise(double snr_db, const Philox& draws, const OwnNeurons& own);

  /// Takes the derivatives of one step into account. Local.
  void watch(std::span<const float> derivative);
  /// Sets the deviation by what all ranks have watched, one step at least. @collective
  void settle(Communicator& shards, const RowPartition& partition);
  /// The derivative of a frame, counted within its trajectory, with its noise; valid until the next call.
  /// Local.
  std::span<const float> observed(std::int64_t frame, std::span<const float> derivative);

 private:
  double snr_db_;
  Philox draws_;
  OwnNeurons own_;
  double values_watched_ = 0;           ///< of each neuron: steps times trajectories
  std::vector<double> sums_, squares_;  ///< of what was watched, of each own neuron
  double deviation_ = 0;
  std::vector<float> observed_;
};

}  // namespace weft
