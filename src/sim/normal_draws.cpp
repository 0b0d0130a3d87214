#include "weft/sim/normal_draws.hpp"

#include "weft/core/error.hpp"

namespace weft {
namespace {

// Below this many elements, waking the other threads costs more than a normal draw of all of them.
constexpr std::int64_t kWorthThreads = 512;

}  // namespace

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
