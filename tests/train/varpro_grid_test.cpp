// The closed form on a process grid against the closed form on one rank.

#include <memory>

#include <gtest/gtest.h>

#include "weft/train/varpro_solver.hpp"

#include "same_network.hpp"
#include "saved_training.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 61;

std::unique_ptr<VarproSolver> solve(const ProcessGrid& grid, const WiredAssembly& assembly,
                                    const EquationForm& form) {
  const RowPartition partition(kNeurons, grid.shards());
  auto solver = std::make_unique<VarproSolver>(host(), grid, assembly.data(partition, grid.shard()),
                                               TrainingConfig{}, std::vector<std::int64_t>{}, 3);
  solver->start_from(form);
  train_unattended(*solver);
  return solver;
}

/// By number of replicas.
class VarproSolverOnGrid : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (test_world().size() % GetParam() != 0) GTEST_SKIP() << "these ranks cannot be split into replicas";
    grid_ = std::make_unique<ProcessGrid>(test_world(), GetParam());
  }

  /// Everything that one rank finds, to `tolerance` of its size.
  void expect_what_one_rank_gives(const WiredAssembly& assembly, const EquationForm& form,
                                  double tolerance) const {
    const auto self = make_self_communicator();
    const ProcessGrid alone(*self, 1);
    const auto one = solve(alone, assembly, form);
    const auto all = solve(*grid_, assembly, form);
    EXPECT_EQ(all->steps_done(), one->steps_done());
    expect_same_network(all->network(), one->network(), tolerance);
  }

  std::unique_ptr<ProcessGrid> grid_;
};

TEST_P(VarproSolverOnGrid, GivesWhatOneRankGivesInDoublePrecision) {
  expect_what_one_rank_gives(WiredAssembly({.neurons = kNeurons}), {false, at::kDouble}, 1e-6);
}

TEST_P(VarproSolverOnGrid, GivesWhatOneRankGivesInSinglePrecision) {
  expect_what_one_rank_gives(WiredAssembly({.neurons = kNeurons}), {false, at::kFloat}, 1e-4);
}

TEST_P(VarproSolverOnGrid, GivesWhatOneRankGivesInDifferences) {
  expect_what_one_rank_gives(WiredAssembly({.neurons = kNeurons}), {true, at::kDouble}, 1e-5);
}

TEST_P(VarproSolverOnGrid, GivesWhatOneRankGivesWithNoise) {
  WiredAssembly assembly({.neurons = kNeurons});
  assembly.add_derivative_noise(10);
  expect_what_one_rank_gives(assembly, {false, at::kDouble}, 1e-6);
}

TEST_P(VarproSolverOnGrid, GivesTheSameBitsAgain) {
  const WiredAssembly assembly({.neurons = kNeurons});
  const auto once = solve(*grid_, assembly, {});
  const auto again = solve(*grid_, assembly, {});
  EXPECT_TRUE(once->network().connectivity.equal(again->network().connectivity));
  EXPECT_EQ(once->network().psi, again->network().psi);
}

INSTANTIATE_TEST_SUITE_P(Replicas, VarproSolverOnGrid, testing::Values(1, 2, 3, 4),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace weft
