#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

#include "weft/core/error.hpp"

#include "recording.hpp"
#include "support/mpi_main.hpp"
#include "support/user_error.hpp"

// What a number of ranks computes together. Each test splits the world into a first group and the rest, and
// both groups simulate: in a program of 4 ranks, groups of 1, 2, 3 and 4.
namespace weft {
namespace {

constexpr std::uint64_t kSeed = 11;

std::unique_ptr<Communicator> first_ranks(int count) {
  return test_world().split(test_world().rank() < count ? 0 : 1);
}

/// The columns [first, first + own) of (frames x neurons) values.
std::vector<float> columns(const std::vector<float>& values, std::int64_t neurons, std::int64_t first,
                           std::int64_t own) {
  std::vector<float> part;
  for (auto frame = values.begin(); frame != values.end(); frame += neurons)
    part.insert(part.end(), frame + first, frame + first + own);
  return part;
}

/// Sets the number of OpenMP threads and sets it back.
class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

/// Simulates on each number of ranks and threads what one of each gives.
void expect_same_data(const SimulationConfig& config) {
  const auto self = make_self_communicator();
  Simulator alone(host(), *self, config, kSeed);
  const Recording expected = [&] {
    const Threads one(1);
    return record(alone, config, *self);
  }();
  for (int ranks = 1; ranks <= test_world().size(); ++ranks)
    for (const int count : {1, 2, 3}) {
      const Threads threads(count);
      const auto shards = first_ranks(ranks);
      Simulator simulator(host(), *shards, config, kSeed);
      const Recording run = record(simulator, config, *shards);
      const std::int64_t first = simulator.partition().begin(shards->rank());
      const auto where = [&] {
        return ::testing::Message() << shards->size() << " ranks, " << count << " threads";
      };
      EXPECT_TRUE(run.activity == columns(expected.activity, config.neurons, first, run.own)) << where();
      EXPECT_TRUE(run.derivative == columns(expected.derivative, config.neurons, first, run.own)) << where();
      EXPECT_TRUE(std::ranges::equal(
          simulator.connectivity(),
          alone.connectivity().subspan(static_cast<std::size_t>(first * config.neurons),
                                       static_cast<std::size_t>(run.own * config.neurons))))
          << where();
    }
}

/// Parameters: neurons, trajectories.
class SameData : public testing::TestWithParam<std::tuple<std::int64_t, std::int64_t>> {
 protected:
  static SimulationConfig config() {
    SimulationConfig config = small_assembly();
    std::tie(config.neurons, config.trajectories) = GetParam();
    config.connectivity.sparsity = 0.05;
    // Few steps: with more threads than cores each costs milliseconds, and a sum in another order shows at
    // once.
    config.burn_in = 3;
    config.frames = 5;
    return config;
  }
};

TEST_P(SameData, OnAnyNumberOfRanksAndThreadsBitForBit) { expect_same_data(config()); }

TEST_P(SameData, WithObservationNoiseToo) {
  SimulationConfig noisy = config();
  noisy.derivative_snr_db = 10;
  expect_same_data(noisy);
}

// 29 neurons stay on one thread; 1031 neurons make every parallel loop take all of them, on 1 rank and on 2
// as well.
INSTANTIATE_TEST_SUITE_P(Simulator, SameData,
                         testing::Combine(testing::Values(29, 1031), testing::Values(1, 3)), name_of_size);

TEST(SimulatorSharding, ADivergingRunIsTheSameMistakeOnEveryRank) {
  SimulationConfig config = small_assembly();
  config.dt = 5;
  config.trajectories = 2;
  const auto message = [&config](Communicator& shards) -> std::string {
    Simulator simulator(host(), shards, config, kSeed);
    return error_of(simulator);
  };
  const auto self = make_self_communicator();
  const std::string alone = message(*self);
  for (const char* part : {"simulation.dt 5", "neuron ", "(trajectory ", "not finite after step ",
                           "2 tau = 1 ", "use a smaller simulation.dt"})
    EXPECT_NE(alone.find(part), std::string::npos) << alone;
  EXPECT_EQ(message(test_world()), alone);
}

TEST(SimulatorSharding, NamesTheNeuronAndTheStepThatBrokeFirst) {
  SimulationConfig config = small_assembly();
  config.dt = 5;
  config.burn_in = 0;
  // Types of tau 1 and 0.5 grow by 4 and 9 a step: from x ~ 5 the fast ones, neurons 50 and up, pass 3e38 at
  // step ~ 40.
  const auto self = make_self_communicator();
  config.frames = 1;
  std::int64_t finite_frames = 0;
  for (; finite_frames < 100; ++finite_frames, ++config.frames) try {
      Unattended unattended;
      Simulator(host(), *self, config, kSeed).run([](auto, auto, auto) {}, unattended);
    } catch (const UserError& error) {
      const std::string step = "after step " + std::to_string(finite_frames) + ";";
      EXPECT_NE(std::string(error.what()).find(step), std::string::npos) << error.what();
      const auto at = std::string(error.what()).find("neuron ");
      EXPECT_GE(std::stoi(std::string(error.what()).substr(at + 7)), 50) << error.what();
      break;
    }
  EXPECT_GT(finite_frames, 30);
  EXPECT_LT(finite_frames, 50);
}

TEST(SimulatorSharding, AFailureOfOneRanksSinkEndsTheRunOnAll) {
  const SimulationConfig config = small_assembly();
  Simulator simulator(host(), test_world(), config, kSeed);
  const int failing = test_world().size() - 1;
  const auto sink = [failing](auto, auto, auto) {
    if (test_world().rank() == failing)
      throw UserError({"shard of the last rank", "the disk is full", "", "free some space"});
  };
  Unattended unattended;
  expect_user_error([&] { simulator.run(sink, unattended); }, {"the disk is full", "free some space"});
}

TEST(SimulatorSharding, MoreRanksThanNeuronsAreAMistake) {
  if (test_world().size() == 1) GTEST_SKIP() << "one rank always has a neuron";
  SimulationConfig config = small_assembly();
  config.neurons = test_world().size() - 1;
  config.types.resize(1);
  expect_user_error([&] { Simulator(host(), test_world(), config, kSeed); },
                    {"simulation.neurons", "at least one neuron for each rank", "use fewer ranks"});
}

}  // namespace
}  // namespace weft
