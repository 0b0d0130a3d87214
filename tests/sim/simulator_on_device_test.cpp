#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "recording.hpp"
#include "support/device_under_test.hpp"
#include "support/user_error.hpp"

// The simulator on a device that is not the host, on all ranks of the program.
namespace weft {
namespace {

constexpr std::uint64_t kSeed = 11;

/// In blocks of so many frames. Collective over `shards`.
Recording on_device(const SimulationConfig& config, std::int64_t block_frames = kAllFrames,
                    Communicator& shards = device_world()) {
  Simulator simulator(device_under_test(), shards, config, kSeed,
                      block_of(block_frames, config, shards.size()));
  return record(simulator, config, shards);
}

SimulationConfig assembly(std::int64_t neurons, std::int64_t trajectories) {
  SimulationConfig config = small_assembly();
  config.neurons = neurons;
  config.trajectories = trajectories;
  return config;
}

/// What this rank's neurons do in the recording of a simulator of one rank.
Recording own_part(Recording whole, const SimulationConfig& config) {
  return part_of(std::move(whole), RowPartition(config.neurons, device_world().size()),
                 device_world().rank());
}

Recording on_host(const SimulationConfig& config) {
  const auto self = make_self_communicator();
  Simulator simulator(host(), *self, config, kSeed);
  return own_part(record(simulator, config, *self), config);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    EXPECT_TRUE(std::isfinite(a[k])) << k;
    largest = std::max(largest, std::abs(static_cast<double>(a[k]) - b[k]));
  }
  return largest;
}

/// Parameters: neurons, trajectories. Rows of 29 are padded, rows of 132 are not.
class OnDevice : public testing::TestWithParam<std::tuple<std::int64_t, std::int64_t>> {
 protected:
  static SimulationConfig config() { return assembly(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(Simulator, OnDevice,
                         testing::Combine(testing::Values(29, 132), testing::Values(1, 3)), name_of_size);

TEST_P(OnDevice, AgreesWithTheHost) {
  SimulationConfig hundred = config();
  hundred.burn_in = 20;
  hundred.frames = 81;
  const Recording expected = on_host(hundred), actual = on_device(hundred);
  // Sums in another order; the dynamics make the difference grow.
  EXPECT_LT(largest_difference(actual.activity, expected.activity), 1e-4);
  EXPECT_LT(largest_difference(actual.derivative, expected.derivative), 1e-3);
  EXPECT_TRUE(std::ranges::all_of(actual.times_emitted, [](int times) { return times == 1; }));
}

TEST_P(OnDevice, IsTheSameOnAnyNumberOfRanksBitForBit) {
  SimulationConfig noisy = config();
  noisy.connectivity.sparsity = 0.05;
  noisy.derivative_snr_db = 10;
  noisy.burn_in = 7;
  noisy.frames = 12;
  const auto self = device_under_test().connect(make_self_communicator());
  const Recording expected = own_part(on_device(noisy, kAllFrames, *self), noisy);
  const Recording run = on_device(noisy, 5);
  EXPECT_TRUE(run.activity == expected.activity);
  EXPECT_TRUE(run.derivative == expected.derivative);
}

TEST(SimulatorOnDevice, IsTheSameInBlocksOfAnySize) {
  SimulationConfig config = assembly(29, 3);
  config.burn_in = 9;
  config.frames = 20;
  config.derivative_snr_db = 10;
  const Recording expected = on_device(config);
  ASSERT_EQ(expected.block_starts.size(), 3U);
  for (const std::int64_t frames : {1, 2, 3, 7, 8}) {
    const Recording run = on_device(config, frames);
    EXPECT_EQ(run.block_starts.size(), static_cast<std::size_t>(3 * ((20 + frames - 1) / frames)));
    EXPECT_TRUE(run.activity == expected.activity) << frames;
    EXPECT_TRUE(run.derivative == expected.derivative) << frames;
  }
}

TEST(SimulatorOnDevice, BurnInOnlyDropsTheFirstSteps) {
  SimulationConfig config = assembly(29, 1);
  config.burn_in = 0;
  config.frames = 20;
  const Recording from_start = on_device(config);
  for (const std::int64_t burn_in : {1, 2, 3, 6})
    for (const std::int64_t frames : {1, 2, 5, 8}) {
      config.burn_in = burn_in;
      config.frames = frames;
      const auto first = from_start.activity.begin() + burn_in * from_start.own;
      EXPECT_TRUE(on_device(config).activity == std::vector<float>(first, first + frames * from_start.own))
          << burn_in << " and " << frames;
    }
}

TEST(SimulatorOnDevice, RunsTheSameAgain) {
  SimulationConfig config = assembly(29, 3);
  config.burn_in = 3;  // one rank ends with its two arrays of tanh the other way round
  Simulator simulator(device_under_test(), device_world(), config, kSeed);
  const Recording first = record(simulator, config, device_world());
  const Recording second = record(simulator, config, device_world());
  EXPECT_TRUE(first.activity == second.activity);
  EXPECT_TRUE(first.derivative == second.derivative);
}

TEST(SimulatorOnDevice, ObservationNoiseIsThatOfTheHost) {
  SimulationConfig config = assembly(29, 3);
  const auto noise_of = [&](const auto& run) {
    config.derivative_snr_db.reset();
    const Recording exact = run(config);
    config.derivative_snr_db = 10;
    const Recording noisy = run(config);
    EXPECT_TRUE(noisy.activity == exact.activity);
    std::vector<float> noise;
    for (std::size_t k = 0; k < exact.derivative.size(); ++k)
      noise.push_back(noisy.derivative[k] - exact.derivative[k]);
    return noise;
  };
  const std::vector<float> expected = noise_of(on_host);
  EXPECT_GT(std::ranges::max(expected), 1);
  const std::vector<float> actual =
      noise_of([](const SimulationConfig& noisy) { return on_device(noisy, 7); });
  EXPECT_LT(largest_difference(actual, expected), 1e-4);
}

/// The error of a run, the same on all ranks of `shards`.
std::string error_of(Device& device, Communicator& shards, const SimulationConfig& config,
                     std::int64_t block_frames) {
  Simulator simulator(device, shards, config, kSeed, block_of(block_frames, config, shards.size()));
  return error_of(simulator);
}

TEST(SimulatorOnDevice, NamesTheNeuronAndTheStepThatBrokeFirst) {
  SimulationConfig config = assembly(29, 3);
  config.types.assign(29, {10, 1, 1});
  config.types[17].tau = 0.002;  // grows by 4 a step: passes 3e38 after 60 and some
  for (const std::int64_t burn_in : {0, 61, 90}) {
    config.burn_in = burn_in;
    config.frames = 90;
    const auto self = make_self_communicator();
    const std::string expected = error_of(host(), *self, config, kAllFrames);
    EXPECT_NE(expected.find("neuron 17 (trajectory"), std::string::npos) << expected;
    for (const std::int64_t frames : {std::int64_t{1}, std::int64_t{2}, std::int64_t{7}, kAllFrames})
      EXPECT_EQ(error_of(device_under_test(), device_world(), config, frames), expected) << frames;
  }
}

TEST(SimulatorOnDevice, AFailureOfOneRanksSinkEndsTheRunOnAll) {
  const SimulationConfig config = assembly(29, 1);
  const int failing = device_world().size() - 1;
  Simulator simulator(device_under_test(), device_world(), config, kSeed);
  const auto sink = [failing](auto, auto, auto) {
    if (device_world().rank() == failing)
      throw UserError({"shard of the last rank", "the disk is full", "", "free some space"});
  };
  Unattended unattended;
  expect_user_error([&] { simulator.run(sink, unattended); }, {"the disk is full", "free some space"});
}

/// The device under test, watched.
class WatchedDevice final : public Device {
 public:
  int copies = 0, replays = 0;

  bool is_host() const override { return device_.is_host(); }
  std::string torch_name() const override { return device_.torch_name(); }
  DeviceDescription description() const override { return device_.description(); }
  const Kernels& kernels() const override { return device_.kernels(); }
  std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> control) override {
    return device_.connect(std::move(control));
  }
  DeviceMemory allocate(std::size_t bytes) override { return device_.allocate(bytes); }
  void copy_in(void* to, const void* from, std::size_t bytes) override {
    ++copies;
    device_.copy_in(to, from, bytes);
  }
  void copy_out(void* to, const void* from, std::size_t bytes) override {
    ++copies;
    device_.copy_out(to, from, bytes);
  }
  std::unique_ptr<RecordedWork> record(std::function<void()> work) override {
    return std::make_unique<Watched>(device_.record(std::move(work)), replays);
  }
  void synchronize() override {
    ++copies;
    device_.synchronize();
  }

 private:
  class Watched final : public RecordedWork {
   public:
    Watched(std::unique_ptr<RecordedWork> work, int& replays) : work_(std::move(work)), replays_(replays) {}
    void replay() override {
      ++replays_;
      work_->replay();
    }
    std::size_t operations() const override { return work_->operations(); }

   private:
    std::unique_ptr<RecordedWork> work_;
    int& replays_;
  };

  Device& device_ = device_under_test();
};

TEST(SimulatorOnDevice, WaitsForTheDeviceBetweenBlocksOnlyAndReplaysTheRest) {
  SimulationConfig config = assembly(29, 1);
  config.burn_in = 0;
  const auto copies_of = [&config](std::int64_t frames) {
    config.frames = frames;
    WatchedDevice device;
    Simulator simulator(device, device_world(), config, kSeed);
    Unattended unattended;
    simulator.run([](auto, auto, auto) {}, unattended);
    EXPECT_EQ(device.replays, (frames - 2) / 2);
    return device.copies;
  };
  EXPECT_EQ(copies_of(64), copies_of(5));
}

}  // namespace
}  // namespace weft
