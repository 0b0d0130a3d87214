#include "weft/train/gram_factor.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/zeros.h>

#include "model/random_tensor.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 41;
// Beyond what is solved, or inverted, at a time.
constexpr std::int64_t kMany = 1100;

/// A positive definite matrix whose eigenvalues are a few times apart, float64.
at::Tensor well_conditioned(std::int64_t neurons) {
  const at::Tensor half = random_tensor({neurons, neurons}, 1);
  return half + half.t() + at::eye(neurons, at::kDouble) * (5 * std::sqrt(static_cast<double>(neurons)));
}

/// What a factor of `gram` is of: empty columns stand by themselves, and a ridge of 1e-6 is on the diagonal.
at::Tensor with_ridge(const at::Tensor& gram) {
  at::Tensor result = gram.clone();
  at::Tensor diagonal = result.diagonal();
  const double mean = diagonal.mean().item<double>();
  diagonal.masked_fill_(diagonal == 0, mean);
  diagonal.add_(1e-6 * mean);
  return result;
}

/// The upper triangle of `gram`, with something in the lower one that must not be read.
at::Tensor upper_of(const at::Tensor& gram, at::ScalarType type) {
  at::Tensor garbage = at::zeros(gram.sizes(), gram.options());
  garbage.fill_(std::numeric_limits<double>::quiet_NaN());
  const at::Tensor below = at::zeros(gram.sizes(), at::kBool).fill_(true).tril(-1);
  return gram.where(~below, garbage).to(type).contiguous();
}

at::Tensor tensor_of(std::vector<double> values) {
  return at::from_blob(values.data(), {std::ssize(values)}, at::kDouble).clone();
}

/// By precision.
class GramFactorIn : public testing::TestWithParam<at::ScalarType> {
 protected:
  std::unique_ptr<GramFactor> factor(const at::Tensor& gram) const {
    return factor_gram(test_world(), upper_of(gram, GetParam()));
  }
  void expect_near(const at::Tensor& actual, const at::Tensor& expected) const {
    ASSERT_EQ(actual.sizes(), expected.sizes());
    const double tolerance = GetParam() == at::kFloat ? 2e-6 : 1e-13;
    EXPECT_LT((actual.to(at::kDouble) - expected).abs().max().item<double>(),
              tolerance * expected.abs().max().item<double>());
  }
};

TEST_P(GramFactorIn, SolvesAsTheDenseSolutionDoes) {
  const at::Tensor gram = well_conditioned(kNeurons);
  const auto factor = this->factor(gram);
  ASSERT_TRUE(factor);
  for (const std::int64_t count : {std::int64_t{1}, std::int64_t{5}, kMany}) {
    // Every rank has right-hand sides of its own.
    const auto seed = static_cast<std::uint64_t>(10 + test_world().rank());
    const at::Tensor right = random_tensor({count + test_world().rank(), kNeurons}, seed);
    at::Tensor b = right.to(GetParam());
    factor->solve(b);
    expect_near(b, at::linalg_solve(with_ridge(gram), right.t()).t());
  }
  at::Tensor none = at::zeros({0, kNeurons}, GetParam());
  factor->solve(none);
}

TEST_P(GramFactorIn, PivotsAreWhatTheColumnsBeforeLeave) {
  const at::Tensor gram = well_conditioned(kNeurons);
  const auto factor = this->factor(gram);
  ASSERT_TRUE(factor);
  expect_near(tensor_of(factor->pivots()), at::linalg_cholesky(with_ridge(gram)).diagonal().square());
}

TEST_P(GramFactorIn, InverseDiagonalIsThatOfTheDenseInverse) {
  for (const std::int64_t neurons : {kNeurons, kMany}) {
    const at::Tensor gram = well_conditioned(neurons);
    const auto factor = this->factor(gram);
    ASSERT_TRUE(factor);
    expect_near(tensor_of(factor->inverse_diagonal()), at::linalg_inv(with_ridge(gram)).diagonal());
  }
}

TEST_P(GramFactorIn, EmptyColumnsStandByThemselves) {
  at::Tensor gram = well_conditioned(kNeurons);
  for (const std::int64_t j : {0, 7, 40}) {
    gram.select(0, j).zero_();
    gram.select(1, j).zero_();
  }
  const auto factor = this->factor(gram);
  ASSERT_TRUE(factor);
  const at::Tensor right = random_tensor({3, kNeurons}, 2);
  at::Tensor b = right.to(GetParam());
  factor->solve(b);
  expect_near(b, at::linalg_solve(with_ridge(gram), right.t()).t());
  const double mean = gram.diagonal().mean().item<double>();
  EXPECT_NEAR(factor->pivots()[7], mean, 1e-5 * mean);
}

TEST_P(GramFactorIn, AMatrixThatIsNotPositiveDefiniteHasNone) {
  at::Tensor gram = well_conditioned(kNeurons);
  gram[3][20] = gram[20][3] = 2 * gram.diagonal().max().item<double>();
  EXPECT_FALSE(factor(gram));
  EXPECT_FALSE(factor(at::zeros({kNeurons, kNeurons}, at::kDouble)));
}

TEST_P(GramFactorIn, AFailureOfOneRankIsOneOfAll) {
  at::Tensor gram = well_conditioned(kNeurons);
  if (test_world().rank() == test_world().size() - 1) gram[3][20] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(factor(gram));
}

INSTANTIATE_TEST_SUITE_P(Precisions, GramFactorIn, testing::Values(at::kFloat, at::kDouble),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace weft
