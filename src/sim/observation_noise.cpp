#include "sim/observation_noise.hpp"

#include <algorithm>
#include <cmath>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"

namespace weft {

ObservationNoise::ObservationNoise(double snr_db, const Philox& draws, const OwnNeurons& own,
                                   std::int64_t trajectories)
    : snr_db_(snr_db),
      draws_(draws),
      own_(own),
      trajectories_(trajectories),
      sums_(static_cast<std::size_t>(own.count)),
      squares_(static_cast<std::size_t>(own.count)),
      noise_(static_cast<std::size_t>(trajectories * own.count)) {}

void ObservationNoise::resume(std::int64_t steps, std::span<const double> sums,
                              std::span<const double> squares) {
  values_watched_ = static_cast<double>(steps * trajectories_);
  sums_.assign(sums.begin(), sums.end());
  squares_.assign(squares.begin(), squares.end());
}

void ObservationNoise::watch(const HostFrames& block, std::int64_t k) {
  for (std::int64_t s = 0; s < trajectories_; ++s) {
    const std::span<const float> derivative = block.frames(block.derivative, s, k);
    for (std::size_t i = 0; i < derivative.size(); ++i) {
      const double value = derivative[i];
      sums_[i] += value;
      squares_[i] += value * value;
    }
  }
  values_watched_ += static_cast<double>(trajectories_);
}

void ObservationNoise::settle(Communicator& shards, const RowPartition& partition) {
  require(values_watched_ > 0, "the noise on the derivative is sized by steps of the burn-in");
  // Each neuron's sums go to all ranks, which add them in one order.
  const auto mean_over_neurons = [&](const std::vector<double>& own) {
    double total = 0;
    for (const double value : gather_blocks(shards, own, partition.sizes())) total += value;
    return total / (values_watched_ * static_cast<double>(own_.neurons));
  };
  const double mean = mean_over_neurons(sums_);
  const double variance = mean_over_neurons(squares_) - mean * mean;
  deviation_ = std::sqrt(std::max(variance, 0.0)) * std::pow(10, -snr_db_ / 20);
}

void ObservationNoise::add(std::int64_t t, HostFrames& block, std::int64_t k) {
  draw_normal(draws_, static_cast<std::uint64_t>(t), deviation_, own_, noise_);
  const float* noise = noise_.data();
  for (std::int64_t s = 0; s < trajectories_; ++s)
    for (float& value : block.frames(block.derivative, s, k)) value += *noise++;
}

}  // namespace weft
