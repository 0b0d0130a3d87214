// The closed form on a process grid against the closed form on one rank.

#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "weft/train/varpro_solver.hpp"

#include "support/mpi_main.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 61;

std::unique_ptr<VarproSolver> solve(const ProcessGrid& grid, const WiredAssembly& assembly,
                                    const EquationForm& form) {
  const RowPartition partition(kNeurons, grid.shards());
  auto solver = std::make_unique<VarproSolver>(grid, assembly.data(partition, grid.shard()), TrainingConfig{},
                                               std::vector<std::int64_t>{}, 3);
  solver->start_from(form);
  solver->train({});
  return solver;
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
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
    const SplineNetwork& expected = one->network();
    const SplineNetwork& found = all->network();
    const std::int64_t first = found.partition.begin(found.shard);
    EXPECT_EQ(all->steps_done(), one->steps_done());
    EXPECT_LT(distance(found.connectivity, expected.connectivity.narrow(0, first, found.rows())),
              tolerance * expected.connectivity.abs().max().item<double>());
    ASSERT_EQ(found.psi.size(), expected.psi.size());
    for (std::size_t k = 0; k < found.psi.size(); ++k)
      EXPECT_NEAR(found.psi[k], expected.psi[k], 100 * tolerance);
    for (std::int64_t i = 0; i < found.rows(); ++i) {
      const double there = expected.phi_at(LocalRow{first + i}, 5);
      EXPECT_NEAR(found.phi_at(LocalRow{i}, 5), there, 100 * tolerance * std::abs(there));
    }
    for (std::int64_t i = 0; i < found.rows(); ++i) {
      const auto here = static_cast<std::size_t>(i), there = static_cast<std::size_t>(first + i);
      // A residual that is mere rounding may be another one.
      const auto near = [&](double value) { return tolerance * (0.1 + 100 * value); };
      EXPECT_NEAR(found.errors.row[here], expected.errors.row[there], near(expected.errors.row[there]));
      EXPECT_NEAR(found.errors.residual[here], expected.errors.residual[there],
                  near(expected.errors.residual[there]));
    }
    for (std::size_t j = 0; j < found.errors.column.size(); ++j)
      EXPECT_NEAR(found.errors.column[j], expected.errors.column[j],
                  100 * tolerance * expected.errors.column[j]);
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
