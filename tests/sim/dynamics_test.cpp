#include "weft/sim/dynamics.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "weft/kernels/row_kernels.hpp"

#include "golden.hpp"

namespace weft {
namespace {

using Floats = std::vector<float>;

constexpr std::size_t kRow = GoldenRun::kNeurons;
constexpr std::size_t kFrames = GoldenRun::kFrames;

/// The derivative at states of several trajectories, put together from the pieces as a simulator of one rank
/// does.
Floats derivative_at(const GoldenRun& run, std::span<const float> x) {
  const auto trajectories = static_cast<std::int64_t>(x.size() / kRow);
  Floats tanh_x(x.size()), input(x.size()), derivative(x.size());
  apply_tanh(x, tanh_x);
  row_product({run.connectivity.data(), GoldenRun::kNeurons, GoldenRun::kNeurons, GoldenRun::kNeurons},
              tanh_x.data(), trajectories, input.data());
  drift(run.parameters, x, tanh_x, input, derivative);
  return derivative;
}

class GoldenDynamics : public testing::TestWithParam<const char*> {};

// The reference's own float32 and float64 derivatives differ by up to 1.4e-5; so may two float32 ones, twice
// over.
TEST_P(GoldenDynamics, DerivativesAtTheStoredFramesAgree) {
  const GoldenRun run(GetParam());
  const Floats derivative = derivative_at(run, run.activity);
  for (std::size_t k = 0; k < derivative.size(); ++k) {
    ASSERT_NEAR(derivative[k], run.derivative_float64[k], 2e-5)
        << "frame " << k / kRow << " neuron " << k % kRow;
    ASSERT_NEAR(derivative[k], run.derivative[k], 4e-5) << "frame " << k / kRow << " neuron " << k % kRow;
  }
}

// Float32 and float64 trajectories of the reference differ by 1.2e-5 (no noise) and 1.7e-5 after 200 steps.
TEST_P(GoldenDynamics, TheTrajectoryFromTheStoredStartAgrees) {
  const GoldenRun run(GetParam());
  Floats x(run.activity.begin(), run.activity.begin() + kRow);
  for (std::size_t t = 0; t + 1 < kFrames; ++t) {
    euler_step(derivative_at(run, x), GoldenRun::kDt, std::span(run.noise).subspan(t * kRow, kRow), x);
    for (std::size_t i = 0; i < kRow; ++i) {
      ASSERT_NEAR(x[i], run.activity_float64[(t + 1) * kRow + i], 3e-5)
          << "frame " << t + 1 << " neuron " << i;
      ASSERT_NEAR(x[i], run.activity[(t + 1) * kRow + i], 5e-5) << "frame " << t + 1 << " neuron " << i;
    }
  }
}

// Given the stored derivative, the step has the reference's order of operations, bit for bit.
TEST_P(GoldenDynamics, TheStepFromTheStoredDerivativeIsExact) {
  const GoldenRun run(GetParam());
  Floats x(run.activity.begin(), run.activity.end() - kRow);
  const std::size_t steps = x.size();
  euler_step(std::span(run.derivative).first(steps), GoldenRun::kDt, std::span(run.noise).first(steps), x);
  EXPECT_EQ(x, Floats(run.activity.begin() + kRow, run.activity.end()));
}

INSTANTIATE_TEST_SUITE_P(OfTheReference, GoldenDynamics, testing::Values("noise_free", "noise_1"),
                         [](const auto& run) { return run.param; });

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
