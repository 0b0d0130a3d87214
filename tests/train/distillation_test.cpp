#include "weft/train/distillation.hpp"

#include <cmath>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>

#include "weft/comm/process_grid.hpp"
#include "weft/core/error.hpp"

#include "model/made_up_splines.hpp"
#include "model/plain_mlp.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 7;

/// Two types of neurons, split over all ranks.
class Distillation : public testing::Test {
 protected:
  Distilled distilled() const { return distil(grid_, network_, 3); }
  /// Points of the axis, others than those of the fit.
  std::vector<double> points() const {
    std::vector<double> x;
    for (int k = 0; k <= 3000; ++k) x.push_back(network_.axis.activity(k / 3000.0));
    return x;
  }

  ProcessGrid grid_{test_world(), 1};
  RowPartition partition_{kNeurons, test_world().size()};
  SplineNetwork network_ = made_up_splines(partition_, test_world().rank());
};

/// Sums of squares, of errors and of what was to be learnt.
struct Squares {
  double error = 0, target = 0;
  void add(double actual, double expected) {
    error += (actual - expected) * (actual - expected);
    target += expected * expected;
  }
  double relative() const { return std::sqrt(error / target); }
};

double value(const Mlp& mlp, const std::vector<double>& input) {
  at::Tensor row = at::from_blob(const_cast<double*>(input.data()), {1, std::ssize(input)}, at::kDouble);
  return plain_mlp(mlp.parameters().to(at::kDouble), row).item<double>();
}

TEST_F(Distillation, PsiIsLearntAsWellAsItSays) {
  const Distilled distilled = this->distilled();
  Squares squares;
  for (const double x : points()) squares.add(value(distilled.psi, {x}), network_.psi_at(0, x));
  EXPECT_LT(distilled.psi_rms_error, 5e-3);
  EXPECT_NEAR(distilled.psi_rms_error, squares.relative(), 0.05 * squares.relative());
}

TEST_F(Distillation, PhiIsLearntAsWellAsItSays) {
  const Distilled distilled = this->distilled();
  const SplineNetwork all = made_up_splines(RowPartition(kNeurons, 1), 0);
  Squares squares;
  for (std::int64_t i = 0; i < kNeurons; ++i) {
    const double a0 = all.embedding[i][0].item<double>(), a1 = all.embedding[i][1].item<double>();
    for (const double x : points())
      squares.add(value(distilled.phi, {x, a0, a1}), all.phi_at(LocalRow{i}, x));
  }
  EXPECT_LT(distilled.phi_rms_error, 5e-3);
  EXPECT_NEAR(distilled.phi_rms_error, squares.relative(), 0.05 * squares.relative());
}

TEST_F(Distillation, IsTheSameOnAllRanks) {
  const Distilled distilled = this->distilled();
  for (const Mlp* mlp : {&distilled.psi, &distilled.phi}) {
    const at::Tensor own = mlp->parameters();
    at::Tensor of_first = own.clone();
    test_world()
        .broadcast(std::span(of_first.mutable_data_ptr<float>(), static_cast<std::size_t>(of_first.numel())),
                   0)
        .wait();
    EXPECT_TRUE(own.equal(of_first));
  }
  for (const double error : {distilled.psi_rms_error, distilled.phi_rms_error}) {
    for (const double other : gather_numbers(test_world(), error)) EXPECT_EQ(other, error);
  }
}

TEST_F(Distillation, IsTheSameHoweverTheRowsAreSplit) {
  const Distilled split = distilled();
  const ProcessGrid replicas(test_world(), test_world().size());
  const Distilled whole = distil(replicas, made_up_splines(RowPartition(kNeurons, 1), 0), 3);
  EXPECT_TRUE(split.psi.parameters().equal(whole.psi.parameters()));
  EXPECT_TRUE(split.phi.parameters().equal(whole.phi.parameters()));
}

TEST_F(Distillation, OfActivityFarFromZeroLearnsToo) {
  network_.axis = {0.2, std::asinh(450), std::asinh(550) - std::asinh(450)};
  network_.psi = spline_of(network_.axis, 48, [](double x) { return 1e-3 * std::tanh((x - 100) / 2); });
  network_.shape = spline_of(network_.axis, 40, [](double x) { return 1e3 * (x - 97); });
  const Distilled distilled = this->distilled();
  EXPECT_LT(distilled.psi_rms_error, 5e-3);
  EXPECT_LT(distilled.phi_rms_error, 5e-3);
}

TEST_F(Distillation, PausesOnAllRanksAlikeAndCanBeEndedThere) {
  std::int64_t pauses = 0;
  distil(grid_, network_, 3, [&] { ++pauses; });
  EXPECT_GE(pauses, 16);
  for (const double others : gather_numbers(test_world(), static_cast<double>(pauses)))
    EXPECT_EQ(others, static_cast<double>(pauses));
  const auto end = [] { throw Stopped("train, after step 3"); };
  EXPECT_THROW(distil(grid_, network_, 3, end), Stopped);
}

TEST_F(Distillation, OfNothingIsNothing) {
  network_.psi.assign(network_.psi.size(), 0);
  const Distilled distilled = this->distilled();
  EXPECT_LT(distilled.psi_rms_error, 1e-2);
  EXPECT_LT(distilled.phi_rms_error, 5e-3);
}

}  // namespace
}  // namespace weft
