#include "weft/train/row_solver.hpp"

#include <cmath>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include "dense_reference.hpp"
#include "support/mpi_main.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 12;
constexpr std::int64_t kFrames = 150;
constexpr std::int64_t kFitted = 140;
constexpr std::int64_t kPsiSplines = 9;
constexpr std::int64_t kShapeSplines = 6;

std::vector<double> wavy(std::int64_t count, double phase) {
  std::vector<double> values;
  for (std::int64_t k = 0; k < count; ++k)
    values.push_back(0.3 * static_cast<double>(k) + std::sin(static_cast<double>(2 * k) + phase));
  return values;
}

/// Replicas x shapes.
class RowSolverOn : public testing::TestWithParam<std::tuple<int, std::int64_t>> {
 protected:
  void SetUp() override {
    const auto [replicas, shapes] = GetParam();
    if (test_world().size() % replicas != 0) GTEST_SKIP() << "these ranks cannot be split into replicas";
    grid_ = std::make_unique<ProcessGrid>(test_world(), replicas);
    partition_ = std::make_unique<RowPartition>(kNeurons, grid_->shards());
    signals_ = std::make_unique<NeuronSignals>(
        make_signals(grid_->rows(), assembly_.data(*partition_, grid_->shard()), {}));
    for (std::int64_t f = 0; f < kFrames; ++f) (f < kFitted ? frames_.fit : frames_.held_out).push_back(f);
    shapes_.splines = kShapeSplines;
    for (std::int64_t a = 0; a < shapes; ++a) {
      const std::vector<double> one = wavy(kShapeSplines, static_cast<double>(a + 1));
      shapes_.coefficients.insert(shapes_.coefficients.end(), one.begin(), one.end());
    }
  }

  RowSolution solve(const EquationForm& form, double psi_error = 0, std::int64_t chunk = 0) {
    RowState state;
    solve_rows(
        *grid_, {*signals_, frames_, {psi_, psi_error}, shapes_, form, chunk}, state, [] {}, log_);
    return std::move(state.solution);
  }
  /// Coordinates of all neurons at all frames, as the solver has them.
  at::Tensor coordinates() const {
    const at::Tensor u = assembly_.activity.to(at::kFloat).div(signals_->axis.scale).asinh().to(at::kDouble);
    return (u - signals_->axis.low) / signals_->axis.width;
  }
  static at::Tensor function(const at::Tensor& v, std::span<const double> coefficients) {
    const std::int64_t count = std::ssize(coefficients);
    const at::Tensor c = at::from_blob(const_cast<double*>(coefficients.data()), {count}, at::kDouble);
    return dense_splines(v, count).matmul(c).view(v.sizes());
  }
  at::Tensor own_functions(const at::Tensor& v) const {
    std::vector<at::Tensor> columns{at::empty({v.numel(), 0}, at::kDouble)};
    for (std::int64_t a = 0; a < shapes_.count(); ++a) {
      columns.push_back(function(v, std::span(shapes_.coefficients)
                                        .subspan(static_cast<std::size_t>(a * kShapeSplines), kShapeSplines))
                            .unsqueeze(1));
    }
    return at::cat(columns, 1);
  }

  const c10::InferenceMode guard_;
  const WiredAssembly assembly_{{.neurons = kNeurons, .frames = kFrames}};
  const std::vector<double> psi_ = wavy(kPsiSplines, 0);
  Unattended nobody_;
  WorkLog log_{nobody_};
  std::unique_ptr<ProcessGrid> grid_;
  std::unique_ptr<RowPartition> partition_;
  std::unique_ptr<NeuronSignals> signals_;
  FrameChoice frames_;
  PhiShapes shapes_;
};

TEST_P(RowSolverOn, GivesWhatADenseSolveOfEachRowGives) {
  const RowSolution solution = solve({false, at::kDouble});
  const at::Tensor v = coordinates();
  const at::Tensor inputs = function(v, psi_);
  const at::Tensor y = assembly_.derivative.to(at::kFloat).to(at::kDouble);
  const std::int64_t first = partition_->begin(grid_->shard());
  const std::int64_t shapes = shapes_.count();
  for (std::int64_t i = 0; i < partition_->size(grid_->shard()); ++i) {
    const at::Tensor target = y.narrow(0, 0, kFitted).select(1, first + i);
    const DenseRow dense = solve_dense_row(
        inputs.narrow(0, 0, kFitted), own_functions(v.narrow(0, 0, kFitted).select(1, first + i)), target);
    const double size = dense.coefficients.abs().max().item<double>();
    for (std::int64_t j = 0; j < kNeurons; ++j)
      EXPECT_NEAR(solution.weights[i][j].item<double>(), dense.coefficients[j].item<double>(), 1e-7 * size)
          << i << " " << j;
    for (std::int64_t a = 0; a < shapes; ++a)
      EXPECT_NEAR(solution.shape_weight[static_cast<std::size_t>(i * shapes + a)],
                  dense.coefficients[kNeurons + a].item<double>(), 1e-7 * size);
    EXPECT_NEAR(solution.constant[static_cast<std::size_t>(i)],
                dense.coefficients[kNeurons + shapes].item<double>(), 1e-6 * size);
    const double freedom = kFitted - kNeurons - shapes - 1;
    EXPECT_NEAR(solution.deviation[static_cast<std::size_t>(i)], std::sqrt(dense.residual_squares / freedom),
                1e-6 * size);
  }
}

TEST_P(RowSolverOn, PredictsTheFramesHeldOut) {
  const RowSolution solution = solve({false, at::kDouble});
  const at::Tensor v = coordinates();
  const at::Tensor inputs = function(v, psi_).narrow(0, kFitted, kFrames - kFitted);
  const at::Tensor y = assembly_.derivative.to(at::kFloat).to(at::kDouble);
  const std::int64_t first = partition_->begin(grid_->shard());
  double sums[2] = {0, 0};
  for (std::int64_t i = 0; i < partition_->size(grid_->shard()); ++i) {
    const at::Tensor target = y.select(1, first + i);
    const at::Tensor own = own_functions(v.select(1, first + i)).narrow(0, kFitted, kFrames - kFitted);
    at::Tensor predicted =
        inputs.matmul(solution.weights.select(0, i)) + solution.constant[static_cast<std::size_t>(i)];
    for (std::int64_t a = 0; a < shapes_.count(); ++a)
      predicted = predicted +
                  solution.shape_weight[static_cast<std::size_t>(i * shapes_.count() + a)] * own.select(1, a);
    const at::Tensor held = target.narrow(0, kFitted, kFrames - kFitted);
    sums[0] += (held - predicted).square().sum().item<double>();
    sums[1] += (held - target.narrow(0, 0, kFitted).mean()).square().sum().item<double>();
  }
  grid_->rows().all_reduce(std::span<double>(sums), Reduction::sum).wait();
  ASSERT_TRUE(solution.validation_r2.has_value());
  EXPECT_NEAR(*solution.validation_r2, 1 - sums[0] / sums[1], 1e-7);
}

TEST_P(RowSolverOn, ResolvesAllButWhatRidgeAndPsiTake) {
  at::Tensor inputs = function(coordinates(), psi_).narrow(0, 0, kFitted);
  inputs = inputs - inputs.mean(0, true);
  inputs = inputs / inputs.square().mean(0, true).sqrt();
  const double inverse = inputs.t().matmul(inputs).inverse().diagonal().mean().item<double>();
  const double taken = 1e-6 * kFitted * inverse;
  EXPECT_NEAR(1 - solve({false, at::kFloat}).resolution, taken, 0.01 * taken);
  EXPECT_LT(1 - solve({false, at::kDouble}).resolution, 1e-5 * taken);
  // An error of psi of a hundredth adds 1e-4 of their squares to the columns.
  const double by_psi = 100 * taken;
  EXPECT_NEAR(1 - solve({false, at::kDouble}, 1e-2).resolution, by_psi, 0.01 * by_psi);
}

TEST_P(RowSolverOn, HasTheErrorsOfTheInverseGramMatrix) {
  const RowSolution solution = solve({false, at::kDouble});
  at::Tensor inputs = function(coordinates(), psi_).narrow(0, 0, kFitted);
  inputs = inputs - inputs.mean(0, true);
  const at::Tensor inverse = inputs.t().matmul(inputs).inverse();
  for (std::int64_t j = 0; j < kNeurons; ++j) {
    const double expected = std::sqrt(inverse[j][j].item<double>());
    EXPECT_NEAR(solution.column_error[static_cast<std::size_t>(j)], expected, 1e-6 * expected);
  }
}

TEST_P(RowSolverOn, AgreesInSinglePrecision) {
  const RowSolution fine = solve({false, at::kDouble});
  const RowSolution coarse = solve({false, at::kFloat});
  const double size = fine.weights.abs().max().item<double>();
  EXPECT_LT((coarse.weights.to(at::kDouble) - fine.weights).abs().max().item<double>(), 1e-3 * size);
}

TEST_P(RowSolverOn, GivesTheSameInSmallChunks) {
  const RowSolution whole = solve({false, at::kDouble});
  for (const std::int64_t chunk : {19, 70}) {  // the replicas' last chunks may be empty
    const RowSolution parts = solve({false, at::kDouble}, 0, chunk);
    const double size = whole.weights.abs().max().item<double>();
    EXPECT_LT((parts.weights - whole.weights).abs().max().item<double>(), 1e-9 * size);
    EXPECT_NEAR(*parts.validation_r2, *whole.validation_r2, 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(Grids, RowSolverOn,
                         testing::Combine(testing::Values(1, 2), testing::Values<std::int64_t>(0, 1, 2)));

}  // namespace
}  // namespace weft
