#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/philox.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/sim/normal_draws.hpp"

#include "sim/host_frames.hpp"

namespace weft {

/// Normal observation noise on the recorded derivative: of one deviation for all neurons, set by the variance
/// that the derivative has over the steps watched, all neurons and trajectories taken together. The same bits
/// on any number of ranks and threads.
class ObservationNoise {
 public:
  /// @param snr_db  the derivative's variance over that of the noise [dB].
  ObservationNoise(double snr_db, const Philox& draws, const OwnNeurons& own, std::int64_t trajectories);

  /// Goes on where another had watched so many steps, with these sums. Local.
  void resume(std::int64_t steps, std::span<const double> sums, std::span<const double> squares);

  /// Takes frame `k` of a block into account. Local.
  void watch(const HostFrames& block, std::int64_t k);
  /// Of the derivative over what was watched, of each own neuron.
  const std::vector<double>& sums() const { return sums_; }
  const std::vector<double>& squares() const { return squares_; }
  /// Sets the deviation by what all ranks have watched, one step at least. @collective
  void settle(Communicator& shards, const RowPartition& partition);
  /// Adds its noise to the derivative of frame `k` of a block, which is frame `t` of each trajectory. Local.
  void add(std::int64_t t, HostFrames& block, std::int64_t k);

 private:
  double snr_db_;
  Philox draws_;
  OwnNeurons own_;
  std::int64_t trajectories_;
  double values_watched_ = 0;  ///< of each neuron: steps times trajectories
  std::vector<double> sums_, squares_;
  double deviation_ = 0;
  std::vector<float> noise_;  ///< (S x own)
};

}  // namespace weft
