#include "weft/sim/simulator.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "weft/sim/neuron_types.hpp"

#include "recording.hpp"

// What one rank computes; every rank of the program does the same by itself.
namespace weft {
namespace {

constexpr std::uint64_t kSeed = 11;

Recording run_alone(const SimulationConfig& config) {
  const auto self = make_self_communicator();
  Simulator simulator(host(), *self, config, kSeed);
  return record(simulator, config, *self);
}

/// f(x) in double precision, by the definition.
std::vector<double> slow_derivative(const SimulationConfig& config, std::span<const float> w,
                                    std::span<const float> x) {
  const auto types = neuron_types(config.neurons, static_cast<std::int64_t>(config.types.size()));
  std::vector<double> f(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const NeuronTypeConfig& type = config.types[static_cast<std::size_t>(types[i])];
    double input = 0;
    for (std::size_t j = 0; j < x.size(); ++j)
      input += w[i * x.size() + j] * std::tanh(static_cast<double>(x[j]));
    f[i] = -x[i] / type.tau + type.self_coupling * std::tanh(static_cast<double>(x[i])) + type.gain * input;
  }
  return f;
}

TEST(Simulator, DerivativesAgreeWithASlowDoublePrecisionReference) {
  SimulationConfig config = small_assembly();
  config.trajectories = 2;
  const auto self = make_self_communicator();
  Simulator simulator(host(), *self, config, kSeed);
  const Recording run = record(simulator, config, *self);
  for (std::int64_t t = 0; t < run.frames; ++t) {
    const auto x = std::span(run.activity)
                       .subspan(static_cast<std::size_t>(t * run.own), static_cast<std::size_t>(run.own));
    const std::vector<double> f = slow_derivative(config, simulator.connectivity(), x);
    // Terms up to 100 in float32, about a hundred of them summed.
    for (std::int64_t i = 0; i < run.own; ++i) ASSERT_NEAR(run.f(t, i), f[static_cast<std::size_t>(i)], 1e-4);
  }
}

TEST(Simulator, WithoutNoiseEveryStepIsAnEulerStep) {
  SimulationConfig config = small_assembly();
  config.noise = 0;
  config.trajectories = 2;
  const Recording run = run_alone(config);
  const auto dt = static_cast<float>(config.dt);
  for (std::int64_t t = 0; t + 1 < run.frames; ++t) {
    if ((t + 1) % config.frames == 0) continue;
    for (std::int64_t i = 0; i < run.own; ++i)
      ASSERT_EQ(run.x(t + 1, i), run.x(t, i) + dt * run.f(t, i)) << "frame " << t;
  }
}

/// x[t+1] - x[t] - dt f[t] of all neurons and steps within trajectories: what the noise must have been.
/// (steps x N)
std::vector<double> residual_noise(const SimulationConfig& config, const Recording& run) {
  std::vector<double> noise;
  for (std::int64_t t = 0; t + 1 < run.frames; ++t)
    for (std::int64_t i = 0; (t + 1) % config.frames != 0 && i < run.own; ++i)
      noise.push_back(static_cast<double>(run.x(t + 1, i)) - run.x(t, i) - config.dt * run.f(t, i));
  return noise;
}

double mean_product(const std::vector<double>& values, std::size_t lag) {
  double sum = 0;
  for (std::size_t k = 0; k + lag < values.size(); ++k) sum += values[k] * values[k + lag];
  return sum / static_cast<double>(values.size() - lag);
}

TEST(Simulator, WhatTheDerivativeDoesNotExplainIsWhiteNoiseOfTheLevelAsked) {
  SimulationConfig config = small_assembly();
  config.neurons = 100;
  config.frames = 501;
  config.trajectories = 2;
  config.noise = 0.5;
  const std::vector<double> noise = residual_noise(config, run_alone(config));
  ASSERT_EQ(noise.size(), 100000U);
  double mean = 0, fourth = 0;
  for (const double value : noise) mean += value / 1e5, fourth += std::pow(value, 4) / 1e5;
  const double variance = mean_product(noise, 0);
  // Four standard errors for 1e5 draws.
  EXPECT_NEAR(mean, 0, 0.5 * 0.0127);
  EXPECT_NEAR(variance, 0.25, 0.25 * 0.018);
  EXPECT_NEAR(fourth / (variance * variance), 3, 0.07);
  const std::size_t between_neurons = 1, between_steps = 100, between_trajectories = 500 * 100;
  EXPECT_NEAR(mean_product(noise, between_neurons) / variance, 0, 0.0127);
  EXPECT_NEAR(mean_product(noise, between_steps) / variance, 0, 0.0127);
  EXPECT_NEAR(mean_product(noise, between_trajectories) / variance, 0, 0.018);
}

/// What observation noise at `snr_db` adds to the derivatives of the run without it. (frames x N)
std::vector<double> observation_noise(SimulationConfig config, double snr_db) {
  const Recording exact = run_alone(config);
  config.derivative_snr_db = snr_db;
  const Recording noisy = run_alone(config);
  EXPECT_EQ(noisy.activity, exact.activity);
  std::vector<double> noise;
  for (std::size_t k = 0; k < exact.derivative.size(); ++k)
    noise.push_back(static_cast<double>(noisy.derivative[k]) - exact.derivative[k]);
  return noise;
}

double variance(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, square = 0;
  for (const double value : values) mean += value / count, square += value * value / count;
  return square - mean * mean;
}

SimulationConfig settled_assembly() {
  SimulationConfig config = small_assembly();
  config.neurons = 200;
  config.burn_in = 400;
  config.frames = 500;
  config.trajectories = 2;
  return config;
}

TEST(Simulator, ObservationNoiseHasTheRatioAskedAndLeavesTheActivityAlone) {
  const SimulationConfig config = settled_assembly();
  const Recording exact = run_alone(config);
  const std::vector<double> signal(exact.derivative.begin(), exact.derivative.end());
  for (const double snr_db : {20.0, -3.0}) {
    const std::vector<double> noise = observation_noise(config, snr_db);
    EXPECT_NEAR(10 * std::log10(variance(signal) / variance(noise)), snr_db, 0.5);
  }
}

TEST(Simulator, ObservationNoiseIsWhiteNormalAndOfOneSizeForAllNeurons) {
  const SimulationConfig config = settled_assembly();
  const std::vector<double> noise = observation_noise(config, 10);
  const auto neurons = static_cast<std::size_t>(config.neurons);
  const double whole = mean_product(noise, 0);
  double fourth = 0;
  for (const double value : noise) fourth += std::pow(value, 4) / static_cast<double>(noise.size());
  // Four standard errors for 2e5 draws.
  EXPECT_NEAR(fourth / (whole * whole), 3, 0.05);
  for (const std::size_t lag : {std::size_t{1}, neurons, 500 * neurons})
    EXPECT_NEAR(mean_product(noise, lag) / whole, 0, 0.013) << "lag " << lag;
  for (std::size_t i = 0; i < neurons; ++i) {
    std::vector<double> own;
    for (std::size_t k = i; k < noise.size(); k += neurons) own.push_back(noise[k]);
    EXPECT_NEAR(variance(own) / whole, 1, 0.25) << "neuron " << i;  // over five standard errors of 1000 draws
  }
}

TEST(Simulator, ObservationNoiseIsTheSameAgain) {
  SimulationConfig config = small_assembly();
  config.derivative_snr_db = 10;
  const auto self = make_self_communicator();
  Simulator simulator(host(), *self, config, kSeed);
  const Recording first = record(simulator, config, *self), second = record(simulator, config, *self);
  EXPECT_EQ(first.derivative, second.derivative);
}

TEST(Simulator, StartsFromNormalNumbersOfDeviationFive) {
  SimulationConfig config = small_assembly();
  config.neurons = 400;
  config.trajectories = 25;
  config.burn_in = 0;
  config.frames = 1;
  const Recording run = run_alone(config);
  double mean = 0, square = 0;
  for (const float x : run.activity) mean += x / 1e4, square += x * x / 1e4;
  EXPECT_NEAR(mean, 0, 0.2);
  EXPECT_NEAR(std::sqrt(square), 5, 0.15);
}

TEST(Simulator, BurnInOnlyDropsTheFirstSteps) {
  SimulationConfig config = small_assembly();
  config.burn_in = 0;
  const Recording from_start = run_alone(config);
  config.burn_in = 20;
  config.frames = 40;
  const Recording after = run_alone(config);
  EXPECT_EQ(after.activity,
            std::vector<float>(from_start.activity.begin() + 20 * after.own, from_start.activity.end()));
}

TEST(Simulator, TrajectoriesAreRunsOfTheirOwn) {
  SimulationConfig config = small_assembly();
  const Recording one = run_alone(config);
  config.trajectories = 3;
  const Recording three = run_alone(config);
  const auto length = static_cast<std::ptrdiff_t>(one.activity.size());
  // The first is the run that would have been made alone, bit for bit; the others start and end elsewhere.
  EXPECT_TRUE(std::equal(one.activity.begin(), one.activity.end(), three.activity.begin()));
  EXPECT_TRUE(std::equal(one.derivative.begin(), one.derivative.end(), three.derivative.begin()));
  for (std::int64_t i = 0; i < one.own; ++i) {
    EXPECT_NE(three.x(0, i), three.x(config.frames, i));
    EXPECT_NE(three.activity[static_cast<std::size_t>(length + i)],
              three.activity[static_cast<std::size_t>(2 * length + i)]);
  }
}

TEST(Simulator, RunsTheSameAgain) {
  const SimulationConfig config = small_assembly();
  const auto self = make_self_communicator();
  Simulator simulator(host(), *self, config, kSeed);
  const Recording first = record(simulator, config, *self), second = record(simulator, config, *self);
  EXPECT_EQ(first.activity, second.activity);
  EXPECT_EQ(first.derivative, second.derivative);
}

TEST(Simulator, EmitsEveryFrameOnceInBlocksThatJoin) {
  SimulationConfig config = small_assembly();
  config.neurons = 64;
  config.trajectories = 64;
  config.frames = 1100;
  config.burn_in = 3;
  config.noise = 0;
  const Recording run = run_alone(config);
  // 32 MB are 1024 frames of 64 x 64 activities and derivatives: two blocks of each trajectory.
  ASSERT_EQ(run.block_starts.size(), 128U);
  EXPECT_EQ(run.block_starts[1], 1100);
  EXPECT_EQ(run.block_starts[64], 1024);
  EXPECT_TRUE(std::ranges::all_of(run.times_emitted, [](int times) { return times == 1; }));
  const auto dt = static_cast<float>(config.dt);
  for (std::int64_t s = 0; s < config.trajectories; ++s)
    for (std::int64_t i = 0, last = s * config.frames + 1023; i < run.own; ++i)
      ASSERT_EQ(run.x(last + 1, i), run.x(last, i) + dt * run.f(last, i)) << "trajectory " << s;
}

TEST(Simulator, ReportsTheStepsOfBurnInAndRecordingByTwoAtMost) {
  SimulationConfig config = small_assembly();
  config.burn_in = 21;
  const auto self = make_self_communicator();
  Simulator simulator(host(), *self, config, kSeed);
  std::vector<Progress> reports;
  Unattended control([&](const Progress& progress) { reports.push_back(progress); });
  simulator.run([](auto, auto, auto) {}, control);
  std::int64_t done = 0;
  for (const Progress& report : reports) {
    EXPECT_GT(report.done, done);
    EXPECT_LE(report.done, done + 2);
    done = report.done;
  }
  EXPECT_EQ(done, 81);
  EXPECT_EQ(reports.front().total, 81);
  EXPECT_EQ(reports.front().stage, "simulate");
  EXPECT_EQ(reports.front().unit, "steps");
}

}  // namespace
}  // namespace weft
