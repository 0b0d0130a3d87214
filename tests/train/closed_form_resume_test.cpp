// The closed form that is saved, stopped and resumed, against the closed form that just runs.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"
#include "weft/train/varpro_solver.hpp"

#include "same_network.hpp"
#include "saved_closed_form.hpp"
#include "saved_training.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"
#include "support/scripted_control.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

using testing::IsEmpty;

constexpr std::int64_t kNeurons = 53;  // not divisible by any number of ranks

const WiredAssembly& assembly() {
  static const WiredAssembly made({.neurons = kNeurons});
  return made;
}

/// Some ranks that solve together, and where they save.
struct Ranks {
  ProcessGrid grid;
  RowPartition partition;
  std::filesystem::path root;

  Ranks(Communicator& world, int replicas, std::filesystem::path folder, std::int64_t neurons = kNeurons)
      : grid(world, replicas), partition(neurons, grid.shards()), root(std::move(folder)) {}

  std::unique_ptr<VarproSolver> solver(const EquationForm& form, const TrainingConfig& config = {},
                                       const WiredAssembly& data = assembly()) const {
    auto made = std::make_unique<VarproSolver>(host(), grid, data.data(partition, grid.shard()), config,
                                               std::vector<std::int64_t>{}, 3);
    made->start_from(form);
    made->take_frames_by(kFewFrames);
    return made;
  }
  void save(std::int64_t step, const ModelArrays& state) const {
    save_state(grid, root, partition, step, state);
  }
};

/// What all ranks have in common of a state, but for how often it could have been saved, and how long it
/// took.
Bits progress_in(const ModelArrays& state) {
  Bits bits = bits_of({{}, state.common});
  std::erase_if(bits, [](const auto& array) {
    return array.first == "state/points" || array.first.starts_with("state/work/");
  });
  return bits;
}

/// What a solver has found, all that is the same in every run.
struct Found {
  Bits arrays;
  nlohmann::json findings;
};

Found found_by(const VarproSolver& solver) {
  Found found{bits_of(solver.arrays()), solver.findings()};
  for (const char* const name :
       {"phases", "seconds", "gflops", "product_share", "machine_gflops", "product_rate"})
    found.findings["solver"].erase(name);
  return found;
}

void expect_same(const Found& found, const Found& expected) {
  EXPECT_THAT(differences(found.arrays, expected.arrays), IsEmpty());
  EXPECT_EQ(found.findings, expected.findings);
}

Found found_uninterrupted(const Ranks& ranks, const EquationForm& form) {
  const auto solver = ranks.solver(form);
  train_unattended(*solver);
  return found_by(*solver);
}

/// Solves up to a state that is wanted, which is saved; its step. @collective
std::int64_t solve_until(const Ranks& ranks, VarproSolver& solver, const StateWish& wanted) {
  return weft::solve_until(solver, wanted,
                           [&](std::int64_t step, const ModelArrays& state) { ranks.save(step, state); });
}

const EquationForm kFloat{false, at::kFloat}, kDouble{false, at::kDouble}, kDifferenced{true, at::kDouble};

/// Replicas, and form of the equations.
class ClosedFormResumed : public testing::TestWithParam<std::tuple<int, EquationForm>> {
 protected:
  void SetUp() override {
    const int replicas = std::get<0>(GetParam());
    if (test_world().size() % replicas != 0) GTEST_SKIP() << "these ranks cannot be split into replicas";
    ranks_.emplace(test_world(), replicas, folder_.path());
  }
  const EquationForm& form() const { return std::get<1>(GetParam()); }

  const TemporaryFolder folder_{test_world()};
  std::optional<Ranks> ranks_;
};

TEST_P(ClosedFormResumed, StoppedWhereverItCanBeSavedItFindsTheSameBits) {
  const Found expected = found_uninterrupted(*ranks_, form());
  std::int64_t step = 0, polls = 1, links = 0;
  Bits before;
  std::vector<RowStage> stages;
  while (true) {
    const auto solver = ranks_->solver(form());
    if (step > 0) {
      const Checkpoint state = saved_at(ranks_->root, step);
      solver->resume(state);
      EXPECT_EQ(solver->steps_done(), step);
    }
    // What is done after the last solve is short, and done again.
    if (!stages.empty() && stages.back() == RowStage::solved) {
      train_unattended(*solver);
      EXPECT_GT(solver->steps_done(), step);
      expect_same(found_by(*solver), expected);
      break;
    }
    Bits now;
    stop_after(*solver, polls, [&](std::int64_t next, const ModelArrays& state) {
      EXPECT_GT(next, step);
      step = next;
      now = progress_in(state);
      stages.push_back(stage_in(state));
      ranks_->save(next, state);
    });
    polls = now == before ? polls + 1 : 1;
    before = std::move(now);
    ASSERT_LT(++links, 100);
  }
  for (const RowStage stage : {RowStage::begun, RowStage::adding, RowStage::added, RowStage::refining,
                               RowStage::refined, RowStage::solved})
    EXPECT_THAT(stages, testing::Contains(stage));
}

TEST_P(ClosedFormResumed, StatesThatAreSavedChangeNoBit) {
  const auto solver = ranks_->solver(form());
  ScriptedControl control([](std::int64_t) { return Wish::checkpoint; });
  std::vector<std::int64_t> steps;
  solver->train(control, [&](std::int64_t step, const ModelArrays&) { steps.push_back(step); });
  EXPECT_EQ(std::ssize(steps), control.polls());
  EXPECT_GT(std::ssize(steps), 30);
  EXPECT_TRUE(std::ranges::is_sorted(steps, std::less_equal<>())) << "they grow";
  EXPECT_GT(solver->steps_done(), steps.back());
  expect_same(found_by(*solver), found_uninterrupted(*ranks_, form()));
}

TEST_P(ClosedFormResumed, OneRankThatWishesItStopsAll) {
  const auto solver = ranks_->solver(form());
  const bool wishes = test_world().rank() == test_world().size() - 1;
  ScriptedControl control([&](std::int64_t poll) { return poll == 4 && wishes ? Wish::stop : Wish::go_on; });
  std::int64_t step = 0;
  EXPECT_THROW(solver->train(control, [&](std::int64_t at, const ModelArrays&) { step = at; }), Stopped);
  EXPECT_EQ(control.polls(), 5);
  for (const double other : gather_numbers(test_world(), static_cast<double>(step))) EXPECT_EQ(other, 5);
}

TEST_P(ClosedFormResumed, InItsPlaceItGoesBackToTheState) {
  const auto solver = ranks_->solver(form());
  const std::int64_t step = solve_until(*ranks_, *solver, has_begun_to_search);
  solve_until(*ranks_, *solver, is_at(RowStage::refined));
  const Checkpoint state = saved_at(ranks_->root, step);
  solver->resume(state);
  EXPECT_EQ(solver->steps_done(), step);
  train_unattended(*solver);
  expect_same(found_by(*solver), found_uninterrupted(*ranks_, form()));
}

TEST_P(ClosedFormResumed, InItsPlaceItGoesOnFromWhereItWasStopped) {
  const auto solver = ranks_->solver(form());
  for (const StateWish& stop :
       {StateWish(has_begun_to_search), is_at(RowStage::adding), is_at(RowStage::refining)})
    solve_until(*ranks_, *solver, stop);
  train_unattended(*solver);
  expect_same(found_by(*solver), found_uninterrupted(*ranks_, form()));
}

INSTANTIATE_TEST_SUITE_P(Grids, ClosedFormResumed,
                         testing::Combine(testing::Values(1, 2), testing::Values(kFloat, kDifferenced)));

/// The first ranks of the test, without the others, which wait.
class FirstRanks {
 public:
  explicit FirstRanks(int count)
      : group_(test_world().split(test_world().rank() < count ? 0 : 1)),
        takes_part_(test_world().rank() < count) {}
  /// Of the ranks that take part; the root of saves is the same for all.
  void run(const std::filesystem::path& root, int replicas,
           const std::function<void(const Ranks&)>& work) const {
    if (takes_part_) work(Ranks(*group_, replicas, root));
    test_world().barrier();
  }

 private:
  std::unique_ptr<Communicator> group_;
  bool takes_part_;
};

/// On how many ranks, in how many replicas, it is begun, gone on with and ended.
struct Moves {
  int ranks[3];
  int replicas[3] = {1, 1, 1};
};

/// By form of the equations.
class ClosedFormMoved : public testing::TestWithParam<EquationForm> {
 protected:
  void SetUp() override {
    if (test_world().size() < 4) GTEST_SKIP() << "four ranks are needed";
  }
  /// Stopped twice. Whatever ranks go on, they find what one rank finds by itself, to rounding: to as much
  /// as without a stop.
  void expect_what_one_rank_finds(const Moves& moves, const StateWish& first, const StateWish& second) const {
    const auto self = make_self_communicator();
    const Ranks alone(*self, 1, folder_.path());
    const auto expected = alone.solver(GetParam());
    train_unattended(*expected);
    std::int64_t step = 0;
    for (int move = 0; move < 3; ++move) {
      FirstRanks(moves.ranks[move]).run(folder_.path(), moves.replicas[move], [&](const Ranks& ranks) {
        const auto solver = ranks.solver(GetParam());
        if (move > 0) solver->resume(saved_at(ranks.root, step));
        if (move < 2) {
          step = solve_until(ranks, *solver, move == 0 ? first : second);
          return;
        }
        train_unattended(*solver);
        EXPECT_EQ(solver->findings()["solver"]["psi_iterations"],
                  expected->findings()["solver"]["psi_iterations"]);
        expect_same_network(solver->network(), expected->network(), GetParam() == kFloat ? 1e-4 : 1e-6);
      });
      test_world().broadcast(std::span<std::int64_t>(&step, 1), 0).wait();
    }
  }

  const TemporaryFolder folder_{test_world()};
};

TEST_P(ClosedFormMoved, FromThreeRanksToTwoAndToFour) {
  expect_what_one_rank_finds({{3, 2, 4}}, has_begun_to_search, is_adding);
}

TEST_P(ClosedFormMoved, FromThreeRanksToTwoAndToFourAmidThePasses) {
  expect_what_one_rank_finds({{3, 2, 4}}, is_adding, is_refining);
}

TEST_P(ClosedFormMoved, FromOneRankToThree) {
  expect_what_one_rank_finds({{1, 3, 3}}, is_adding, is_at(RowStage::added));
}

TEST_P(ClosedFormMoved, FromTwoRanksToOneAndToThree) {
  expect_what_one_rank_finds({{2, 1, 3}}, is_at(RowStage::refined), is_at(RowStage::solved));
}

TEST_P(ClosedFormMoved, FromOneReplicaToTwoAndBack) {
  // The partial sums of one replica are of no use to two.
  expect_what_one_rank_finds({{2, 4, 3}, {1, 2, 1}}, is_adding, is_at(RowStage::adding));
}

TEST_P(ClosedFormMoved, FromOneReplicaToTwoAndBackInRefinement) {
  expect_what_one_rank_finds({{2, 4, 3}, {1, 2, 1}}, is_refining, is_at(RowStage::refined));
}

INSTANTIATE_TEST_SUITE_P(Forms, ClosedFormMoved, testing::Values(kFloat, kDouble));

/// On all ranks of the test.
class ClosedFormStopped : public testing::Test {
 protected:
  const TemporaryFolder folder_{test_world()};
  const Ranks ranks_{test_world(), 1, folder_.path()};
};

TEST_F(ClosedFormStopped, KnowsTheFormsThatWereGivenUp) {
  // Without noise the columns of psi(x) are nearly dependent, and single precision does not do.
  const WiredAssembly smooth({.neurons = kNeurons, .frames = 600, .dt = 0.002, .noise = 0});
  const auto uninterrupted = ranks_.solver(kFloat, {}, smooth);
  train_unattended(*uninterrupted);
  ASSERT_FALSE(uninterrupted->findings()["solver"]["fallbacks"].empty());
  std::int64_t evaluations = 0;
  for (const auto wanted : {2, 3}) {
    const auto stopped = ranks_.solver(kFloat, {}, smooth);
    const std::int64_t step = solve_until(ranks_, *stopped, [&](const ModelArrays& state) {
      return number_in(state, "state/form/float64") == 1 && ++evaluations == wanted;
    });
    evaluations = 0;
    const auto resumed = ranks_.solver(kFloat, {}, smooth);
    resumed->resume(saved_at(ranks_.root, step));
    train_unattended(*resumed);
    expect_same(found_by(*resumed), found_by(*uninterrupted));
    const nlohmann::json phases = resumed->findings()["solver"]["phases"];
    EXPECT_TRUE(std::ranges::any_of(phases, [](const nlohmann::json& phase) {
      return phase["name"] == "plain form, float32, given up" && phase["seconds"] > 0;
    })) << phases;
  }
}

TEST_F(ClosedFormStopped, KeepsTheAccountOfTheWork) {
  const auto stopped = ranks_.solver(kDouble);
  const std::int64_t step = solve_until(ranks_, *stopped, is_at(RowStage::refined));
  const auto resumed = ranks_.solver(kDouble);
  resumed->resume(saved_at(ranks_.root, step));
  train_unattended(*resumed);
  const auto uninterrupted = ranks_.solver(kDouble);
  train_unattended(*uninterrupted);
  if (test_world().rank() != 0) return;  // it is rank 0's
  const auto tflop = [](const VarproSolver& solver, const std::string& name) {
    const nlohmann::json phases = solver.findings()["solver"]["phases"];
    for (const nlohmann::json& phase : phases)
      if (phase["name"] == name) return phase["tflop"].get<double>();
    return -1.0;
  };
  for (const char* const name : {"psi: Gram matrix", "psi: projections", "rows: Gram matrix",
                                 "rows: Cholesky", "rows: solves", "rows: refinement", "rows: error bars"}) {
    EXPECT_GT(tflop(*uninterrupted, name), 0) << name;
    EXPECT_NEAR(tflop(*resumed, name), tflop(*uninterrupted, name), 1e-12) << name;
  }
}

TEST_F(ClosedFormStopped, OfAnotherTrainingIsRefusedOnAllRanks) {
  const auto stopped = ranks_.solver(kFloat);
  const std::int64_t step = solve_until(ranks_, *stopped, is_adding);
  const Checkpoint state = saved_at(ranks_.root, step);
  TrainingConfig more_splines;
  more_splines.psi_splines = 50;
  expect_user_error([&] { ranks_.solver(kFloat, more_splines)->resume(state); },
                    {"state/search/psi of shape (48); expected (50)"});
  more_splines = {};
  more_splines.phi_splines = 30;
  expect_user_error([&] { ranks_.solver(kFloat, more_splines)->resume(state); }, {"state/search/phi"});
  const WiredAssembly more({.neurons = kNeurons + 1});
  const Ranks others(test_world(), 1, folder_.path(), kNeurons + 1);
  expect_user_error([&] { others.solver(kFloat, {}, more)->resume(state); }, {"53 neurons"});
}

TEST_F(ClosedFormStopped, IsNotAModelThatIsComplete) {
  const auto solver = ranks_.solver(kFloat);
  train_unattended(*solver);
  ranks_.save(solver->steps_done(), solver->arrays());
  const Checkpoint model = saved_at(ranks_.root, solver->steps_done());
  expect_user_error([&] { ranks_.solver(kFloat)->resume(model); }, {"no state of a closed form"});
}

}  // namespace
}  // namespace weft
