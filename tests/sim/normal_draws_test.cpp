#include "weft/sim/normal_draws.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace weft {
namespace {

using Floats = std::vector<float>;

double moment(const Floats& values, int power) {
  double sum = 0;
  for (const float value : values) sum += std::pow(static_cast<double>(value), power);
  return sum / static_cast<double>(values.size());
}

TEST(DrawNormal, HasTheMomentsOfANormalLaw) {
  Floats values(200000);
  draw_normal(Philox(3, RandomStream::process_noise), 17, 2, {1000, GlobalRow{0}, 1000}, values);
  // Standard errors: 0.0045, 0.013, 0.035 and 0.35.
  EXPECT_NEAR(moment(values, 1), 0, 0.02);
  EXPECT_NEAR(moment(values, 2), 4, 0.05);
  EXPECT_NEAR(moment(values, 3), 0, 0.2);
  EXPECT_NEAR(moment(values, 4), 48, 1.5);
}

TEST(DrawNormal, GivesANeuronTheSameNumberOnWhateverRankItIs) {
  constexpr std::size_t trajectories = 3, neurons = 10;
  const Philox random(5, RandomStream::process_noise);
  Floats whole(trajectories * neurons);
  draw_normal(random, 4, 1, {neurons, GlobalRow{0}, neurons}, whole);
  Floats part(trajectories * 4);
  draw_normal(random, 4, 1, {neurons, GlobalRow{3}, 4}, part);
  for (std::size_t s = 0; s < trajectories; ++s)
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(part[s * 4 + i], whole[s * neurons + 3 + i]);
}

TEST(DrawNormal, DiffersBetweenSteps) {
  Floats one(1000), two(1000);
  const Philox random(5, RandomStream::process_noise);
  draw_normal(random, 1, 1, {1000, GlobalRow{0}, 1000}, one);
  draw_normal(random, 2, 1, {1000, GlobalRow{0}, 1000}, two);
  double product = 0;
  for (std::size_t i = 0; i < one.size(); ++i) product += one[i] * two[i];
  EXPECT_LT(std::abs(product) / 1000, 0.15);
}

}  // namespace
}  // namespace weft
