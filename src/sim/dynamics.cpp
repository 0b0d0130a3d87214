#include "weft/sim/dynamics.hpp"

#include <cmath>

#include "weft/core/error.hpp"

namespace weft {
namespace {

// Below this many elements, waking the other threads costs more than tanh or a normal draw of all of them.
constexpr std::int64_t kWorthThreads = 512;

}  // namespace

void apply_tanh(std::span<const float> x, std::span<float> out) {
  require(x.size() == out.size(), "tanh of one array into another of the same size");
  const auto count = static_cast<std::int64_t>(x.size());
#pragma omp parallel for schedule(static) if (count >= kWorthThreads)
  for (std::int64_t i = 0; i < count; ++i) out[i] = std::tanh(x[i]);
}

void drift(const NeuronParameters& parameters, std::span<const float> x, std::span<const float> tanh_x,
           std::span<const float> input, std::span<float> derivative) {
  const std::size_t own = parameters.gain.size();
  require(x.size() % own == 0 && tanh_x.size() == x.size() && input.size() == x.size() &&
              derivative.size() == x.size(),
          "the arrays of a drift are (trajectories x own neurons)");
  const float* const g = parameters.gain.data();
  const float* const s = parameters.self_coupling.data();
  const float* const c = parameters.decay.data();
  for (std::size_t first = 0; first < x.size(); first += own)
    for (std::size_t i = 0; i < own; ++i)
      derivative[first + i] = (-c[i] * x[first + i] + s[i] * tanh_x[first + i]) + g[i] * input[first + i];
}

void euler_step(std::span<const float> derivative, double dt, std::span<const float> noise,
                std::span<float> x) {
  require(derivative.size() == x.size() && noise.size() == x.size(),
          "an Euler step takes arrays of one size");
  const auto step = static_cast<float>(dt);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (x[i] + step * derivative[i]) + noise[i];
}

void draw_normal(const Philox& random, std::uint64_t step, double deviation, const OwnNeurons& own,
                 std::span<float> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  require(count % own.count == 0, "normal draws fill (trajectories x own neurons)");
#pragma omp parallel for schedule(static) if (count >= kWorthThreads)
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t trajectory = i / own.count;
    const std::int64_t row = index(own.first) + i % own.count;
    const auto item = static_cast<std::uint64_t>(trajectory * own.neurons + row);
    values[i] = static_cast<float>(deviation * random.normal(step, item));
  }
}

}  // namespace weft
