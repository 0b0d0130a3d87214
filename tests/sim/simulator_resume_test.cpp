#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"

#include "recording.hpp"
#include "support/device_under_test.hpp"
#include "support/mpi_main.hpp"
#include "support/scripted_control.hpp"

// A simulation that is stopped, or saved on its way, and goes on: on the host or on another device, on all
// ranks of the program and on groups of them.
namespace weft {
namespace {

constexpr std::uint64_t kSeed = 11;

SimulationConfig assembly(std::int64_t trajectories, std::optional<double> snr_db) {
  SimulationConfig config = small_assembly();
  config.neurons = 29;
  config.trajectories = trajectories;
  config.derivative_snr_db = snr_db;
  config.burn_in = 9;
  config.frames = 8;
  return config;
}

/// All of it in one go, of all neurons.
Recording in_one_go(const SimulationConfig& config) {
  const auto self = device_under_test().connect(make_self_communicator());
  Simulator simulator(device_under_test(), *self, config, kSeed);
  return record(simulator, config, *self);
}

/// A recording that is put together from the parts of a simulation that is stopped and goes on.
class Parts {
 public:
  Parts(const SimulationConfig& config, Communicator& shards, std::int64_t block_frames)
      : config_(config),
        shards_(shards),
        simulator_(device_under_test(), shards, config, kSeed, block_of(block_frames, config, shards.size())),
        recording_(empty_recording(config, simulator_.partition().size(shards.rank()))) {}

  /// Runs on from `state`, or from the beginning, until it is stopped, of which it gives the state, or done.
  /// @collective
  std::optional<SimulationState> run(std::optional<SimulationState> from, RunControl& control) {
    if (from) simulator_.resume(std::move(*from));
    std::optional<SimulationState> saved;
    try {
      simulator_.run(sink_into(recording_), control, [&](const SimulationState& state) {
        saved = state;
        expect_frames_so_far(state.steps);
      });
    } catch (const Stopped& stopped) {
      EXPECT_TRUE(saved.has_value());
      EXPECT_EQ(stopped.what(), "simulate, after step " + std::to_string(saved->steps));
      return saved;
    }
    return std::nullopt;
  }

  /// Every frame once, and the very bits of `whole`, the recording of all neurons.
  void expect_is(const Recording& whole) const {
    const Recording expected = part_of(whole, simulator_.partition(), shards_.rank());
    EXPECT_TRUE(std::ranges::all_of(recording_.times_emitted, [](int times) { return times == 1; }));
    EXPECT_TRUE(recording_.activity == expected.activity);
    EXPECT_TRUE(recording_.derivative == expected.derivative);
  }

  const RowPartition& partition() const { return simulator_.partition(); }

 private:
  void expect_frames_so_far(std::int64_t steps) const {
    for (std::int64_t frame = 0; frame < recording_.frames; ++frame) {
      const bool out = frame % config_.frames < steps - config_.burn_in;
      ASSERT_EQ(recording_.times_emitted[static_cast<std::size_t>(frame)], out ? 1 : 0)
          << "frame " << frame << " after step " << steps;
    }
  }

  SimulationConfig config_;
  Communicator& shards_;
  Simulator simulator_;
  Recording recording_;
};

/// Stops at one poll, by the vote of the last rank alone.
ScriptedControl stop_at(std::int64_t poll, const Communicator& shards) {
  const bool votes = shards.rank() == shards.size() - 1;
  return ScriptedControl([=](std::int64_t at) { return votes && at == poll ? Wish::stop : Wish::go_on; });
}

/// Stops a simulation at each of its polls in turn, and lets another one go on. Returns after which steps it
/// was stopped.
std::vector<std::int64_t> expect_goes_on_from_every_poll(const SimulationConfig& config,
                                                         std::int64_t block_frames) {
  const Recording whole = in_one_go(config);
  std::vector<std::int64_t> stops;
  for (std::int64_t poll = 0;; ++poll) {
    Parts parts(config, device_world(), block_frames);
    ScriptedControl control = stop_at(poll, device_world());
    const std::optional<SimulationState> state = parts.run(std::nullopt, control);
    if (!state) {
      EXPECT_EQ(control.polls(), poll);
      parts.expect_is(whole);
      return stops;
    }
    stops.push_back(state->steps);
    Unattended unattended;
    EXPECT_FALSE(parts.run(state, unattended));
    SCOPED_TRACE(testing::Message() << "stopped after step " << state->steps);
    parts.expect_is(whole);
  }
}

/// Of one trajectory with an exact derivative, and of three with a noisy one.
class Resume : public testing::TestWithParam<std::tuple<std::int64_t, std::optional<double>>> {
 protected:
  static SimulationConfig config() { return assembly(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(Simulator, Resume, testing::Values(std::tuple(1, std::nullopt), std::tuple(3, 10.0)),
                         [](const auto& values) {
                           return std::to_string(std::get<0>(values.param)) + "_trajectories";
                         });

TEST_P(Resume, GoesOnFromEveryStepBitForBit) {
  std::vector<std::int64_t> every;
  for (std::int64_t step = 1; step < 17; ++step) every.push_back(step);
  EXPECT_EQ(expect_goes_on_from_every_poll(config(), 1), every);
}

TEST_P(Resume, GoesOnFromTheEndOfEveryBlockBitForBit) {
  EXPECT_EQ(expect_goes_on_from_every_poll(config(), 3), (std::vector<std::int64_t>{3, 6, 9, 12, 15}));
}

TEST(SimulatorResume, GoesOnFromTheMiddleOfABlockBitForBit) {
  SimulationConfig longer = assembly(3, 10);
  longer.burn_in = 300;
  longer.frames = 260;
  EXPECT_EQ(expect_goes_on_from_every_poll(longer, kAllFrames), (std::vector<std::int64_t>{256, 300, 556}));
}

TEST_P(Resume, GoesOnHoweverOftenItIsStopped) {
  Parts parts(config(), device_world(), 2);
  std::optional<SimulationState> state;
  int stops = 0;
  do {
    ScriptedControl control([](auto) { return Wish::stop; });
    state = parts.run(std::move(state), control);
    if (state) ++stops;
  } while (state);
  EXPECT_EQ(stops, 8);  // after steps 2, 4, 6, 8, 9, 11, 13 and 15
  parts.expect_is(in_one_go(config()));
}

TEST_P(Resume, SavingOnTheWayChangesNothingAndEveryStateWillDo) {
  const Recording whole = in_one_go(config());
  Simulator simulator(device_under_test(), device_world(), config(), kSeed,
                      block_of(2, config(), device_world().size()));
  const Recording expected = part_of(whole, simulator.partition(), device_world().rank());
  Recording recording = empty_recording(config(), expected.own);
  std::vector<SimulationState> states;
  ScriptedControl control([](auto) { return Wish::checkpoint; });
  simulator.run(sink_into(recording), control,
                [&](const SimulationState& state) { states.push_back(state); });
  EXPECT_TRUE(recording.activity == expected.activity);
  EXPECT_TRUE(recording.derivative == expected.derivative);

  // A program that ended without a word may have got further than its last state.
  ASSERT_EQ(states.size(), 8U);
  for (const SimulationState& state : states) {
    simulator.resume(state);
    Recording again = recording;
    std::ranges::fill(again.times_emitted, 0);
    Unattended unattended;
    simulator.run(sink_into(again), unattended);
    EXPECT_TRUE(again.activity == expected.activity) << state.steps;
    EXPECT_TRUE(again.derivative == expected.derivative) << state.steps;
    const std::int64_t before = std::max<std::int64_t>(0, state.steps - config().burn_in);
    EXPECT_EQ(std::ranges::count(again.times_emitted, 1), config().trajectories * (config().frames - before));
  }
}

/// The rows of all ranks, of which each holds some: (own x anything) arrays one after the other. @collective
template <typename T>
std::vector<T> of_all(const std::vector<T>& own, const RowPartition& partition, Communicator& shards) {
  std::vector<std::int64_t> counts = partition.sizes();
  const auto per_row = static_cast<std::int64_t>(own.size()) / partition.size(shards.rank());
  for (std::int64_t& count : counts) count *= per_row;
  return gather_blocks(shards, own, counts);
}

SimulationState of_all(const SimulationState& state, const RowPartition& partition, Communicator& shards) {
  return {state.steps, of_all(state.x, partition, shards), of_all(state.tanh_x, partition, shards),
          of_all(state.sums, partition, shards), of_all(state.squares, partition, shards)};
}

template <typename T>
std::vector<T> rows_of(const std::vector<T>& all, const RowPartition& partition, int rank) {
  const auto per_row = static_cast<std::ptrdiff_t>(all.size()) / partition.rows();
  return {all.begin() + partition.begin(rank) * per_row, all.begin() + partition.end(rank) * per_row};
}

SimulationState rows_of(const SimulationState& all, const RowPartition& partition, int rank) {
  return {all.steps, rows_of(all.x, partition, rank), rows_of(all.tanh_x, partition, rank),
          rows_of(all.sums, partition, rank), rows_of(all.squares, partition, rank)};
}

/// The first `count` ranks and the rest, each a group that simulates.
std::unique_ptr<Communicator> groups(int count) {
  return device_under_test().connect(test_world().split(test_world().rank() < count ? 0 : 1));
}

/// The state of all neurons at a poll. @collective
SimulationState state_at(std::int64_t poll, const SimulationConfig& config, Communicator& shards) {
  Parts parts(config, shards, 2);
  ScriptedControl control = stop_at(poll, shards);
  return of_all(parts.run(std::nullopt, control).value(), parts.partition(), shards);
}

/// Goes on from the state of all neurons and checks the frames after it. @collective
void expect_rest_is(const Recording& whole, const SimulationState& all, const SimulationConfig& config,
                    Communicator& shards) {
  Simulator simulator(device_under_test(), shards, config, kSeed);
  const RowPartition& partition = simulator.partition();
  simulator.resume(rows_of(all, partition, shards.rank()));
  Recording rest = empty_recording(config, partition.size(shards.rank()));
  Unattended unattended;
  simulator.run(sink_into(rest), unattended);

  Recording expected = part_of(whole, partition, shards.rank());
  for (std::int64_t frame = 0; frame < rest.frames; ++frame) {
    const auto at = static_cast<std::size_t>(frame);
    const bool new_frame = frame % config.frames >= all.steps - config.burn_in;
    ASSERT_EQ(rest.times_emitted[at], new_frame ? 1 : 0);
    if (new_frame) continue;
    const auto begin = frame * rest.own, end = begin + rest.own;
    std::fill(expected.activity.begin() + begin, expected.activity.begin() + end, 0.0F);
    std::fill(expected.derivative.begin() + begin, expected.derivative.begin() + end, 0.0F);
  }
  EXPECT_TRUE(rest.activity == expected.activity) << shards.size() << " ranks";
  EXPECT_TRUE(rest.derivative == expected.derivative) << shards.size() << " ranks";
}

TEST_P(Resume, GoesOnOnAnyNumberOfRanksBitForBit) {
  const Recording whole = in_one_go(config());
  const auto self = device_under_test().connect(make_self_communicator());
  for (const std::int64_t poll : {1, 4, 5}) {  // after steps 4, 9, where the burn-in ends, and 11
    const SimulationState expected = state_at(poll, config(), *self);
    for (int before = 1; before <= test_world().size(); ++before) {
      const SimulationState state = state_at(poll, config(), *groups(before));
      EXPECT_TRUE(state == expected) << before << " of the ranks, after step " << state.steps;
      for (int after = 1; after <= test_world().size(); ++after)
        expect_rest_is(whole, state, config(), *groups(after));
    }
  }
}

TEST(SimulatorResume, TellsTheProgressFromThereOn) {
  const SimulationConfig config = assembly(1, std::nullopt);
  Parts parts(config, device_world(), 1);
  ScriptedControl stopping = stop_at(10, device_world());
  const std::optional<SimulationState> state = parts.run(std::nullopt, stopping);
  ASSERT_TRUE(state.has_value());
  ScriptedControl control([](auto) { return Wish::go_on; });
  EXPECT_FALSE(parts.run(state, control));
  EXPECT_EQ(control.told().front().done, 12);
  EXPECT_EQ(control.told().front().total, 17);
  EXPECT_EQ(control.told().back().done, 17);
}

TEST(SimulatorResume, AsksNoMoreThanEvery256StepsWhereStepsAreShort) {
  SimulationConfig config = assembly(1, std::nullopt);
  config.burn_in = 0;
  config.frames = 700;
  Simulator simulator(device_under_test(), device_world(), config, kSeed);
  ScriptedControl control([](auto) { return Wish::go_on; });
  simulator.run([](auto, auto, auto) {}, control);
  EXPECT_EQ(control.polls(), 2);
}

TEST(SimulatorResume, RefusesTheStateOfAnotherSimulation) {
  Parts parts(assembly(1, 10), device_world(), 1);
  ScriptedControl control = stop_at(2, device_world());
  const SimulationState state = parts.run(std::nullopt, control).value();
  Simulator without_noise(device_under_test(), device_world(), assembly(1, std::nullopt), kSeed);
  EXPECT_THROW(without_noise.resume(state), InternalError);
  Simulator of_three(device_under_test(), device_world(), assembly(3, 10), kSeed);
  EXPECT_THROW(of_three.resume(state), InternalError);
}

}  // namespace
}  // namespace weft
