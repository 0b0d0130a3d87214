#include "observation_noise.hpp"

#include <algorithm>
#include <cmath>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"

namespace weft {

ObservationNoise::ObservationNoise(double snr_db, const Philox& draws, const OwnNeurons& own)
    : snr_db_(snr_db),
      draws_(draws),
      own_(own),
      sums_(static_cast<std::size_t>(own.count)),
      squares_(static_cast<std::size_t>(own.count)) {}

void ObservationNoise::watch(std::span<const float> derivative) {
  const auto own = sums_.size();
  for (std::size_t first = 0; first < derivative.size(); first += own)
    for (std::size_t i = 0; i < own; ++i) {
      const double value = derivative[first + i];
      sums_[i] += value;
      squares_[i] += value * value;
    }
  values_watched_ += static_cast<double>(derivative.size() / own);
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

std::span<const float> ObservationNoise::observed(std::int64_t frame, std::span<const float> derivative) {
  observed_.resize(derivative.size());
  draw_normal(draws_, static_cast<std::uint64_t>(frame), deviation_, own_, observed_);
  for (std::size_t i = 0; i < derivative.size(); ++i) observed_[i] += derivative[i];
  return observed_;
}

}  // namespace weft
