#include "weft/train/gram_factor.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"

#include "model/random_tensor.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 41;
// Several blocks of columns, and a last one too thin for every rank to have a share of it.
constexpr std::int64_t kMany = 1100, kOneBlockAndTwo = 514;

/// A positive definite matrix whose eigenvalues are a few times apart, float64.
at::Tensor well_conditioned(std::int64_t neurons) {
  const at::Tensor half = random_tensor({neurons, neurons}, 1);
  return half + half.t() + at::eye(neurons, at::kDouble) * (5 * std::sqrt(static_cast<double>(neurons)));
}

/// What a factor of `gram` is of: empty columns stand by themselves, and a ridge is on the diagonal.
at::Tensor with_ridge(const at::Tensor& gram, at::ScalarType type) {
  at::Tensor result = gram.clone();
  at::Tensor diagonal = result.diagonal();
  const double mean = diagonal.mean().item<double>();
  diagonal.masked_fill_(diagonal == 0, mean);
  diagonal.add_((type == at::kFloat ? 1e-6 : 1e-12) * mean);
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
    const double tolerance = GetParam() == at::kFloat ? 4e-6 : 1e-14;
    EXPECT_LT((actual.to(at::kDouble) - expected).abs().max().item<double>(),
              tolerance * expected.abs().max().item<double>());
  }
  /// With so many right-hand sides; every rank has its own.
  void expect_solves(const GramFactor& factor, const at::Tensor& gram, std::int64_t count) const {
    const auto seed = static_cast<std::uint64_t>(10 + test_world().rank());
    const at::Tensor right = random_tensor({count + test_world().rank(), gram.size(0)}, seed);
    at::Tensor b = right.to(GetParam(), /*non_blocking=*/false, /*copy=*/true);
    factor.solve(b);
    expect_near(b, at::linalg_solve(with_ridge(gram, GetParam()), right.t()).t());
  }
};

TEST_P(GramFactorIn, SolvesAsTheDenseSolutionDoes) {
  for (const std::int64_t neurons : {kNeurons, kOneBlockAndTwo, kMany}) {
    SCOPED_TRACE(testing::Message() << neurons << " neurons");
    const at::Tensor gram = well_conditioned(neurons);
    const auto factor = this->factor(gram);
    ASSERT_TRUE(factor);
    expect_solves(*factor, gram, 1);
    expect_solves(*factor, gram, 5);
  }
}

TEST_P(GramFactorIn, SolvesForMoreThanAPanelAndForNone) {
  const at::Tensor gram = well_conditioned(kNeurons);
  const auto factor = this->factor(gram);
  ASSERT_TRUE(factor);
  expect_solves(*factor, gram, 2 * 2048 + 3);
  at::Tensor none = at::zeros({0, kNeurons}, GetParam());
  factor->solve(none);
}

TEST_P(GramFactorIn, PivotsAreWhatTheColumnsBeforeLeave) {
  for (const std::int64_t neurons : {kNeurons, kOneBlockAndTwo, kMany}) {
    const at::Tensor gram = well_conditioned(neurons);
    const auto factor = this->factor(gram);
    ASSERT_TRUE(factor);
    expect_near(tensor_of(factor->pivots()),
                at::linalg_cholesky(with_ridge(gram, GetParam())).diagonal().square());
  }
}

TEST_P(GramFactorIn, SaysWhatItAddedToTheDiagonal) {
  const at::Tensor gram = well_conditioned(kNeurons);
  const auto factor = this->factor(gram);
  ASSERT_TRUE(factor);
  const double expected = (GetParam() == at::kFloat ? 1e-6 : 1e-12) * gram.diagonal().mean().item<double>();
  EXPECT_NEAR(factor->ridge(), expected, 1e-5 * expected);
}

TEST_P(GramFactorIn, InverseDiagonalIsThatOfTheDenseInverse) {
  for (const std::int64_t neurons : {kNeurons, kOneBlockAndTwo, kMany}) {
    const at::Tensor gram = well_conditioned(neurons);
    const auto factor = this->factor(gram);
    ASSERT_TRUE(factor);
    expect_near(tensor_of(factor->inverse_diagonal()),
                at::linalg_inv(with_ridge(gram, GetParam())).diagonal());
  }
}

TEST_P(GramFactorIn, RestoredItGivesTheSameBits) {
  for (const std::int64_t neurons : {kNeurons, kOneBlockAndTwo, kMany}) {
    const auto factor = this->factor(well_conditioned(neurons));
    ASSERT_TRUE(factor);
    const auto restored = restore_factor(test_world(), factor->upper().clone(), factor->ridge());
    EXPECT_EQ(restored->ridge(), factor->ridge());
    EXPECT_EQ(restored->pivots(), factor->pivots());
    EXPECT_EQ(restored->inverse_diagonal(), factor->inverse_diagonal());
    at::Tensor right = random_tensor({5, neurons}, 3).to(GetParam());
    at::Tensor again = right.clone();
    factor->solve(right);
    restored->solve(again);
    EXPECT_TRUE(again.equal(right));
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
  expect_solves(*factor, gram, 3);
  const double mean = gram.diagonal().mean().item<double>();
  EXPECT_NEAR(factor->pivots()[7], mean, 1e-5 * mean);
}

TEST_P(GramFactorIn, AMatrixThatIsNotPositiveDefiniteHasNone) {
  EXPECT_FALSE(factor(at::zeros({kNeurons, kNeurons}, at::kDouble)));
  // In the first block of columns, across blocks and in the last one.
  for (const auto& [row, column] : {std::pair{3, 20}, {20, 1030}, {1090, 1099}}) {
    at::Tensor gram = well_conditioned(kMany);
    gram[row][column] = gram[column][row] = 2 * gram.diagonal().max().item<double>();
    EXPECT_FALSE(factor(gram)) << row << ", " << column;
  }
}

TEST_P(GramFactorIn, AFailureOfOneRankIsOneOfAll) {
  for (const std::int64_t row : {3, 1090}) {
    at::Tensor gram = well_conditioned(kMany);
    if (test_world().rank() == test_world().size() - 1)
      gram[row][row + 5] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_FALSE(factor(gram)) << row;
  }
}

TEST_P(GramFactorIn, RightHandSidesThatDoNotFitAreABug) {
  const auto factor = this->factor(well_conditioned(kNeurons));
  ASSERT_TRUE(factor);
  at::Tensor narrow = at::zeros({2, kNeurons - 1}, GetParam());
  EXPECT_THROW(factor->solve(narrow), InternalError);
  at::Tensor columns = at::zeros({kNeurons, 2}, GetParam()).t();
  EXPECT_THROW(factor->solve(columns), InternalError);
}

INSTANTIATE_TEST_SUITE_P(Precisions, GramFactorIn, testing::Values(at::kFloat, at::kDouble),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace weft
