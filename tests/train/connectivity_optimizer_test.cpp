#include "weft/train/connectivity_optimizer.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/train/adam.hpp"

#include "model/random_tensor.hpp"

namespace weft {
namespace {

// Rows 4 to 8 of 11: a shard in the middle.
constexpr std::int64_t kRows = 5, kColumns = 11, kFirstRow = 4, kBatch = 3;

at::Tensor initial_connectivity() {
  at::Tensor w = random_tensor({kRows, kColumns}, 1);
  w.narrow(1, kFirstRow, kRows).fill_diagonal_(0);
  return w;
}
at::Tensor factor_g(std::uint64_t step) { return random_tensor({kBatch, kRows}, 100 + step); }
at::Tensor factor_psi(std::uint64_t step) { return random_tensor({kBatch, kColumns}, 200 + step); }

/// Adam at once and number by number, from the gradient written out.
struct SlowOptimizer {
  at::Tensor w = initial_connectivity();
  at::Tensor m = at::zeros({kRows, kColumns}, at::kDouble);
  at::Tensor v = at::zeros({kRows, kColumns}, at::kDouble);
  double l1 = 0, l2 = 0;
  int count = 0;

  void step(const at::Tensor& g, const at::Tensor& psi, double learning_rate) {
    ++count;
    for (std::int64_t i = 0; i < kRows; ++i) {
      for (std::int64_t j = 0; j < kColumns; ++j) {
        if (j != kFirstRow + i) step_entry(i * kColumns + j, gradient(g, psi, i, j), learning_rate);
      }
    }
  }

 private:
  double gradient(const at::Tensor& g, const at::Tensor& psi, std::int64_t i, std::int64_t j) const {
    const double weight = w[i][j].item<double>();
    double sum = l1 * ((weight > 0) - (weight < 0)) + 2 * l2 * weight;
    for (std::int64_t b = 0; b < g.size(0); ++b) sum += g[b][i].item<double>() * psi[b][j].item<double>();
    return sum;
  }
  void step_entry(std::int64_t k, double slope, double learning_rate) {
    double& first = m.mutable_data_ptr<double>()[k];
    double& second = v.mutable_data_ptr<double>()[k];
    first = 0.9 * first + 0.1 * slope;
    second = 0.999 * second + 0.001 * slope * slope;
    w.mutable_data_ptr<double>()[k] -= learning_rate * (first / (1 - std::pow(0.9, count))) /
                                       (std::sqrt(second / (1 - std::pow(0.999, count))) + 1e-8);
  }
};

at::Tensor factors(std::uint64_t step, double learning_rate = 1e-2) {
  return factors_at(learning_rate, static_cast<std::int64_t>(step) + 1);
}

void expect_near(const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_LE((actual - expected).abs().max().item<double>(), 1e-12);
}

class ConnectivityOptimizerWith : public testing::TestWithParam<ConnectivityOptimizer::Settings> {};

TEST_P(ConnectivityOptimizerWith, DeferredStepsAreStepsAtOnce) {
  SlowOptimizer slow;
  slow.l1 = GetParam().l1;
  slow.l2 = GetParam().l2;
  const at::Tensor w = initial_connectivity();
  ConnectivityOptimizer optimizer(w, kFirstRow, GetParam());
  for (std::uint64_t step = 0; step < 6; ++step) {
    // Every product sees all steps before it.
    const at::Tensor next = factor_psi(50 + step);
    expect_near(optimizer.forward(next), next.matmul(slow.w.t()));
    expect_near(w, slow.w);
    expect_near(optimizer.backward(factor_g(step)), factor_g(step).matmul(slow.w));
    const double learning_rate = step < 3 ? 1e-2 : 3e-3;
    optimizer.step(factor_g(step), factor_psi(step), factors(step, learning_rate));
    slow.step(factor_g(step), factor_psi(step), learning_rate);
  }
  optimizer.flush();
  expect_near(w, slow.w);
  expect_near(optimizer.first_moment(), slow.m);
  expect_near(optimizer.second_moment(), slow.v);
  for (std::int64_t i = 0; i < kRows; ++i) EXPECT_EQ(w[i][kFirstRow + i].item<double>(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Penalties, ConnectivityOptimizerWith,
    testing::Values(ConnectivityOptimizer::Settings{}, ConnectivityOptimizer::Settings{0.3, 0},
                    ConnectivityOptimizer::Settings{0, 0.2}, ConnectivityOptimizer::Settings{0.3, 0.2}),
    [](const auto& test) {
      return std::string(test.param.l1 > 0 ? "l1" : "no_l1") + (test.param.l2 > 0 ? "_l2" : "_no_l2");
    });

TEST(ConnectivityOptimizer, StepsWithoutAProductBetweenThemAreAllApplied) {
  SlowOptimizer slow;
  const at::Tensor w = initial_connectivity();
  ConnectivityOptimizer optimizer(w, kFirstRow, {});
  for (std::uint64_t step = 0; step < 3; ++step) {
    optimizer.step(factor_g(step), factor_psi(step), factors(step));
    slow.step(factor_g(step), factor_psi(step), 1e-2);
  }
  optimizer.flush();
  expect_near(w, slow.w);
}

TEST(ConnectivityOptimizer, AppliesAStepOnce) {
  const at::Tensor w = initial_connectivity();
  ConnectivityOptimizer optimizer(w, kFirstRow, {});
  optimizer.step(factor_g(0), factor_psi(0), factors(0));
  EXPECT_TRUE(w.equal(initial_connectivity()));
  optimizer.flush();
  const at::Tensor stepped = w.clone();
  EXPECT_FALSE(stepped.equal(initial_connectivity()));
  optimizer.flush();
  optimizer.forward(factor_psi(1));
  EXPECT_TRUE(w.equal(stepped));
  EXPECT_FALSE(optimizer.waits());
}

TEST(ConnectivityOptimizer, ResetAppliesWhatWaitsThenStartsAnew) {
  SlowOptimizer slow;
  const at::Tensor w = initial_connectivity();
  ConnectivityOptimizer optimizer(w, kFirstRow, {});
  for (std::uint64_t step = 0; step < 4; ++step) {
    optimizer.step(factor_g(step), factor_psi(step), factors(step));
    slow.step(factor_g(step), factor_psi(step), 1e-2);
  }
  optimizer.reset();
  expect_near(w, slow.w);

  SlowOptimizer fresh;
  fresh.w = slow.w.clone();
  for (std::uint64_t step = 4; step < 8; ++step) {
    optimizer.step(factor_g(step), factor_psi(step), factors(step - 4));
    fresh.step(factor_g(step), factor_psi(step), 1e-2);
  }
  optimizer.flush();
  expect_near(w, fresh.w);
  expect_near(optimizer.second_moment(), fresh.v);
}

TEST(ConnectivityOptimizer, FactorsThatDoNotFitAreABug) {
  ConnectivityOptimizer optimizer(initial_connectivity(), kFirstRow, {});
  EXPECT_THROW(optimizer.step(factor_g(0).narrow(0, 0, 2), factor_psi(0), factors(0)), InternalError);
  EXPECT_THROW(optimizer.step(factor_psi(0), factor_g(0), factors(0)), InternalError);
  EXPECT_THROW(optimizer.step(factor_g(0), factor_psi(0), factors(0).narrow(0, 0, 1)), InternalError);
  EXPECT_THROW(optimizer.step(random_tensor({kRows, kBatch}, 1).t(), factor_psi(0), factors(0)),
               InternalError);
}

}  // namespace
}  // namespace weft
