#include "weft/train/memory_needs.hpp"

#include <gtest/gtest.h>

namespace weft {
namespace {

constexpr std::int64_t kAllowance = 134217728;

TEST(SimulationNeed, IsWAndTheStatesAndABlockOfFrames) {
  SimulationConfig simulation;
  simulation.neurons = 1001;
  simulation.trajectories = 3;
  simulation.frames = 10;
  simulation.burn_in = 20;
  // 334 rows of 1004; 3 x 334 parameters; x, 3 x 334; tanh, twice 3 x 1001; 20 frames.
  const std::int64_t numbers = 334 * 1004 + 3 * 334 + 3 * 334 + 2 * 3 * 1001 + 2 * 20 * 3 * 334;
  EXPECT_EQ(simulation_need(simulation, 3).least, 4 * numbers);
  EXPECT_EQ(simulation_need(simulation, 3).with_data, 4 * numbers);
}

TEST(SimulationNeed, HoldsABlockOf32MegabytesOrOneFrame) {
  SimulationConfig simulation;
  simulation.neurons = 4096;
  simulation.frames = 100000;
  const std::int64_t states = 4 * (4096 * 4096 + 3 * 4096 + 3 * 4096);
  EXPECT_EQ(simulation_need(simulation, 1).least, states + (32 << 20));
  simulation.trajectories = 10000;
  EXPECT_EQ(simulation_need(simulation, 1).least,
            4 * (4096ll * 4096 + 3 * 4096 + 10000ll * 3 * 4096) + 8ll * 10000 * 4096);
}

TrainingConfig by_gradient() {
  TrainingConfig training;
  training.method = TrainingMethod::adam;
  training.batch_size = 6;
  return training;
}

TEST(GradientNeed, IsWhatOneReckonsByHand) {
  const DataSize data{100, 5000, 4900, 1};
  // 50 rows. psi: 600 inputs, 130 numbers each; phi: 350, 132 each; the backward pass: 600 x 64; six series
  // of 6 x 50 and three of 6 x 100.
  const std::int64_t step = 600 * 130 + 350 * 132 + 600 * 64 + 6 * 300 + 3 * 600;
  const std::int64_t beside = 4 * (3 * 100 * 50 + 6 * 150 + 2 * step) + kAllowance;
  const MemoryNeed need = training_need(by_gradient(), data, 2);
  EXPECT_EQ(need.with_data, beside + 8 * 5000 * 50);
  EXPECT_EQ(need.least, beside + 8 * 32 * 6 * 50);
}

TEST(MemoryNeed, CountsTheDataWhereATenthStaysFree) {
  const MemoryNeed need{100, 900};
  EXPECT_EQ(need.bytes(1000), 900);
  EXPECT_EQ(need.bytes(990), 100);
}

TEST(GradientNeed, ReplicasShareTheFramesAndExchangeTheirFactors) {
  TrainingConfig training = by_gradient();
  training.replicas = 3;
  training.loss.psi_monotone = 0;
  training.loss.phi_zero = 0;
  // 2 frames each: psi 100 x 130, phi 100 x 132; gathered twice: 6 x (50 + 100).
  const std::int64_t step = 100 * 130 + 100 * 132 + 100 * 64 + 6 * 100 + 3 * 200 + 2 * 900;
  EXPECT_EQ(training_need(training, {100, 5000, 4900, 1}, 2).least,
            4 * (3 * 100 * 50 + 6 * 150 + 2 * step) + kAllowance + 8 * 32 * 2 * 50);
}

TEST(GradientNeed, Of8000NeuronsOnOneGpuIsUnderTwoGigabytesBesideTheData) {
  TrainingConfig training = by_gradient();
  training.batch_size = 8;
  const MemoryNeed need = training_need(training, {8000, 100000, 98000, 1}, 1);
  EXPECT_LT(need.with_data - 8 * 100000ll * 8000, 2'000'000'000);
  EXPECT_LT(need.least, 2'000'000'000);
}

TEST(ClosedFormNeed, CountsTheSeriesAndTheMatrices) {
  const DataSize data{8000, 12000, 11760, 1};
  const MemoryNeed need = training_need(TrainingConfig{}, data, 1);
  // docs/closed-form.md: 0.77 + 0.26 + 1.04 GB.
  EXPECT_NEAR(static_cast<double>(need.with_data - kAllowance), 2.06e9, 0.01e9);
  // On the host stay the series but for 2^24 numbers of them.
  EXPECT_EQ(need.with_data - need.least, 8 * 12000ll * 8000 - 4 * (1 << 24));
}

TEST(ClosedFormNeed, IsNoLargerWithTheSeriesOnTheHost) {
  const MemoryNeed need = training_need(TrainingConfig{}, {100, 500, 490, 1}, 1);
  EXPECT_EQ(need.least, need.with_data);
}

TEST(MemoryNeeds, GrowWithNeuronsAndFramesAndFallWithShards) {
  for (const TrainingMethod method : {TrainingMethod::adam, TrainingMethod::varpro}) {
    TrainingConfig training = by_gradient();
    training.method = method;
    const auto bytes = [&](std::int64_t neurons, std::int64_t frames, std::int64_t shards) {
      return training_need(training, {neurons, frames, frames, 1}, shards).with_data;
    };
    for (std::int64_t n = 1000; n < 64000; n *= 2) {
      EXPECT_LT(bytes(n, 12000, 1), bytes(2 * n, 12000, 1));
      EXPECT_LT(bytes(n, 12000, 1), bytes(n, 24000, 1));
      EXPECT_GT(bytes(n, 12000, 2), bytes(n, 12000, 4));
    }
  }
  SimulationConfig simulation;
  simulation.neurons = 30000;
  SimulationConfig larger = simulation;
  larger.neurons = 60000;
  EXPECT_LT(simulation_need(simulation, 1).least, simulation_need(larger, 1).least);
  EXPECT_GT(simulation_need(simulation, 1).least, simulation_need(simulation, 2).least);
}

TEST(FewestShards, IsTheFirstNumberThatFits) {
  const auto least_of = [](std::int64_t shards) { return 100 + 1000 / shards; };
  EXPECT_EQ(fewest_shards(least_of, 1100, 10), 1);
  EXPECT_EQ(fewest_shards(least_of, 1099, 10), 2);
  EXPECT_EQ(fewest_shards(least_of, 433, 10), 3);
  EXPECT_EQ(fewest_shards(least_of, 200, 10), 10);
  EXPECT_EQ(fewest_shards(least_of, 199, 10), 0);
}

}  // namespace
}  // namespace weft
