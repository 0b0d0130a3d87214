#include "weft/sim/connectivity.hpp"

#include <cmath>
#include <numbers>

#include "weft/core/error.hpp"
#include "weft/core/philox.hpp"

namespace weft {
namespace {

constexpr double kPublishedCutoff = 25;
constexpr std::int64_t kLargestPublished = 8000;

/// Independent draws of one connection: the `step` of its random numbers.
enum DrawKind : std::uint64_t { kWeight = 0, kPresence = 1 };

double power_law(std::int64_t neurons, double exponent) {
  return std::pow(static_cast<double>(neurons), -exponent);
}

double cauchy_scale(std::int64_t neurons) {
  if (neurons < 2000) return power_law(neurons, 0.70);
  if (neurons < 4000) return power_law(neurons, 0.675);
  if (neurons < kLargestPublished) return power_law(neurons, 0.67);
  const double beyond = std::sqrt(static_cast<double>(kLargestPublished) / static_cast<double>(neurons));
  return power_law(kLargestPublished, 0.66) * beyond;
}

/// Standard deviation of a standard Cauchy draw that is set to 0 beyond the cutoff.
double truncated_cauchy_deviation(double cutoff) {
  return std::sqrt(2 * std::numbers::inv_pi * (cutoff - std::atan(cutoff)));
}

/// The weights of one assembly, entry by entry.
class WeightLaw {
 public:
  WeightLaw(const ConnectivityConfig& config, std::int64_t neurons, std::uint64_t seed)
      : config_(config),
        scale_(connectivity_scale(config, neurons)),
        random_(seed, RandomStream::connectivity) {}

  float weight(std::uint64_t item) const {
    return present(item) ? static_cast<float>(scale_ * draw(item)) : 0;
  }

 private:
  bool present(std::uint64_t item) const {
    return config_.sparsity == 0 || random_.uniform(kPresence, item) >= config_.sparsity;
  }

  double draw(std::uint64_t item) const {
    if (config_.distribution == ConnectivityDistribution::gaussian) return random_.normal(kWeight, item);
    const double value = random_.cauchy(kWeight, item);
    return std::abs(value) > config_.cutoff ? 0 : value;
  }

  ConnectivityConfig config_;
  double scale_;
  Philox random_;
};

}  // namespace

double connectivity_scale(const ConnectivityConfig& config, std::int64_t neurons) {
  if (config.exponent) return power_law(neurons, *config.exponent);
  if (config.distribution == ConnectivityDistribution::cauchy) return cauchy_scale(neurons);
  return truncated_cauchy_deviation(kPublishedCutoff) * cauchy_scale(neurons);
}

void fill_connectivity(const ConnectivityConfig& config, std::int64_t neurons, std::uint64_t seed,
                       GlobalRow first_row, std::span<float> rows) {
  const auto count = static_cast<std::int64_t>(rows.size()) / neurons;
  require(count * neurons == static_cast<std::int64_t>(rows.size()),
          "a buffer that holds no whole rows of W");
  const WeightLaw law(config, neurons, seed);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = index(first_row) + i;
    float* const out = rows.data() + i * neurons;
    for (std::int64_t j = 0; j < neurons; ++j)
      out[j] = j == row ? 0 : law.weight(static_cast<std::uint64_t>(row * neurons + j));
  }
}

}  // namespace weft
