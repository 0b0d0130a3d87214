#include "weft/train/psi_problem.hpp"

#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <c10/core/InferenceMode.h>

#include "weft/train/psi_search.hpp"

#include "dense_reference.hpp"
#include "support/mpi_main.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

constexpr std::int64_t kPsiSplines = 9;
constexpr std::int64_t kPhiSplines = 7;
const std::vector<std::int64_t> kRows{1, 4, 10};

WiredOptions small(std::int64_t groups) {
  WiredOptions options;
  options.neurons = 12;
  options.frames = 120;
  for (std::int64_t g = 0; g < groups; ++g) {
    const double gain = 0.3 + static_cast<double>(g);
    options.psi.push_back([gain](double x) { return std::tanh(gain * x); });
  }
  return options;
}

Frames frames_but_the_first(std::int64_t count) {
  Frames frames;
  for (std::int64_t f = 1; f < count; ++f) frames.push_back(f);
  return frames;
}

/// A psi that fits badly, so that the residual is large.
std::vector<double> rough_guess(std::int64_t groups) {
  std::vector<double> psi;
  for (std::int64_t k = 0; k < groups * kPsiSplines; ++k)
    psi.push_back(static_cast<double>(k % kPsiSplines) + std::sin(static_cast<double>(3 * k)));
  return psi;
}

/// Replicas x groups x differenced.
class PsiProblemOn : public testing::TestWithParam<std::tuple<int, std::int64_t, bool>> {
 protected:
  void SetUp() override {
    const auto [replicas, groups, differenced] = GetParam();
    if (test_world().size() % replicas != 0) GTEST_SKIP() << "these ranks cannot be split into replicas";
    assembly_ = std::make_unique<WiredAssembly>(small(groups));
    grid_ = std::make_unique<ProcessGrid>(test_world(), replicas);
    const RowPartition partition(12, grid_->shards());
    form_ = {differenced, at::kDouble};
    signals_ = std::make_unique<NeuronSignals>(
        make_signals(grid_->rows(), assembly_->data(partition, grid_->shard()), assembly_->group));
    problem_ = std::make_unique<PsiProblem>(*grid_, *signals_, kRows, frames_, kPsiSplines, kPhiSplines,
                                            form_, log_);
  }

  std::int64_t groups() const { return std::get<1>(GetParam()); }
  /// The residual by one dense problem a row.
  double dense_residual(const std::vector<double>& psi) const;
  at::Tensor filtered(const at::Tensor& values) const {
    const at::Tensor index = at::arange(1, 120, at::kLong);
    const at::Tensor here = values.index_select(0, index);
    return form_.differenced ? here - values.index_select(0, index - 1) : here;
  }

  const c10::InferenceMode guard_;
  const Frames frames_ = frames_but_the_first(120);
  Unattended nobody_;
  WorkLog log_{nobody_};
  EquationForm form_;
  std::unique_ptr<WiredAssembly> assembly_;
  std::unique_ptr<ProcessGrid> grid_;
  std::unique_ptr<NeuronSignals> signals_;
  std::unique_ptr<PsiProblem> problem_;
};

double PsiProblemOn::dense_residual(const std::vector<double>& psi) const {
  // Activity and derivative as the solver has them: rounded to float32.
  const at::Tensor u = assembly_->activity.to(at::kFloat).div(signals_->axis.scale).asinh().to(at::kDouble);
  const at::Tensor v = (u - signals_->axis.low) / signals_->axis.width;
  const at::Tensor y = assembly_->derivative.to(at::kFloat).to(at::kDouble);
  at::Tensor inputs = at::empty_like(v);
  for (std::int64_t j = 0; j < 12; ++j) {
    const auto first = psi.begin() + assembly_->group[static_cast<std::size_t>(j)] * kPsiSplines;
    std::vector<double> own(first, first + kPsiSplines);
    inputs.select(1, j).copy_(dense_splines(v.select(1, j), kPsiSplines)
                                  .matmul(at::from_blob(own.data(), {kPsiSplines}, at::kDouble)));
  }
  double left = 0, all = 0;
  for (const std::int64_t row : kRows) {
    const at::Tensor own = dense_splines(v.select(1, row), kPhiSplines);
    const at::Tensor target = filtered(y.select(1, row).unsqueeze(1)).squeeze(1);
    left += solve_dense_row(filtered(inputs), filtered(own), target).residual_squares;
    all += (target - target.mean()).square().sum().item<double>();
  }
  return std::sqrt(left / all);
}

TEST_P(PsiProblemOn, LeavesOfTheRowsWhatADenseSolveLeaves) {
  const std::vector<double> psi = rough_guess(groups());
  const double expected = dense_residual(psi);
  EXPECT_GT(expected, 1e-3);
  EXPECT_NEAR(problem_->evaluate(psi).residual, expected, 1e-6 * expected);
}

TEST_P(PsiProblemOn, HasTheGradientOfFiniteDifferences) {
  const std::vector<double> psi = rough_guess(groups());
  const at::Tensor gradient = problem_->linearise(problem_->evaluate(psi)).gradient;
  const auto objective = [&](std::size_t k, double step) {
    std::vector<double> moved = psi;
    moved[k] += step;
    const double residual = problem_->evaluate(moved).residual;
    return residual * residual * problem_->total_squares() / 2;
  };
  const double scale = gradient.abs().max().item<double>();
  for (std::size_t k = 0; k < psi.size(); k += 4) {
    constexpr double kStep = 1e-4;
    const double slope = (objective(k, kStep) - objective(k, -kStep)) / (2 * kStep);
    EXPECT_NEAR(-gradient[static_cast<std::int64_t>(k)][0].item<double>(), slope, 1e-4 * scale)
        << "coefficient " << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Grids, PsiProblemOn,
                         testing::Combine(testing::Values(1, 2), testing::Values<std::int64_t>(1, 2),
                                          testing::Bool()));

}  // namespace
}  // namespace weft
