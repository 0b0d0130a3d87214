#include "weft/sim/connectivity.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

namespace weft {
namespace {

// A W of this size has a million entries: fractions of it are known to 0.0005 and better (one standard
// error).
constexpr std::int64_t kNeurons = 1000;
constexpr std::uint64_t kSeed = 7;

ConnectivityConfig gaussian() {
  ConnectivityConfig config;
  config.distribution = ConnectivityDistribution::gaussian;
  return config;
}

std::vector<float> rows_of(const ConnectivityConfig& config, std::int64_t neurons, std::int64_t first,
                           std::int64_t count, std::uint64_t seed = kSeed) {
  std::vector<float> rows(static_cast<std::size_t>(neurons * count), NAN);
  fill_connectivity(config, neurons, seed, GlobalRow{first}, rows);
  return rows;
}

std::vector<float> whole(const ConnectivityConfig& config, std::uint64_t seed = kSeed) {
  return rows_of(config, kNeurons, 0, kNeurons, seed);
}

/// The entries off the diagonal of `rows`, whose first is global row `first`, as standard draws.
std::vector<double> draws(const ConnectivityConfig& config, std::int64_t neurons, std::int64_t first,
                          const std::vector<float>& rows) {
  const double scale = connectivity_scale(config, neurons);
  std::vector<double> values;
  for (std::size_t k = 0; k < rows.size(); ++k)
    if (const auto entry = static_cast<std::int64_t>(k); entry % neurons != first + entry / neurons)
      values.push_back(rows[k] / scale);
  return values;
}

double fraction(const std::vector<double>& values, const std::function<bool(double)>& holds) {
  return static_cast<double>(std::ranges::count_if(values, holds)) / static_cast<double>(values.size());
}

double moment(const std::vector<double>& values, int power) {
  double sum = 0;
  for (const double value : values) sum += std::pow(value, power);
  return sum / static_cast<double>(values.size());
}

/// Standard deviation of a Cauchy draw that is 0 beyond 25: sqrt((2 / pi) (25 - atan 25)).
constexpr double kTruncatedDeviation = 3.8654;

TEST(ConnectivityScale, FollowsThePublishedExponents) {
  const ConnectivityConfig cauchy;
  EXPECT_DOUBLE_EQ(connectivity_scale(cauchy, 100), std::pow(100., -0.70));
  EXPECT_DOUBLE_EQ(connectivity_scale(cauchy, 1999), std::pow(1999., -0.70));
  EXPECT_DOUBLE_EQ(connectivity_scale(cauchy, 2000), std::pow(2000., -0.675));
  EXPECT_DOUBLE_EQ(connectivity_scale(cauchy, 3999), std::pow(3999., -0.675));
  EXPECT_DOUBLE_EQ(connectivity_scale(cauchy, 4000), std::pow(4000., -0.67));
  EXPECT_DOUBLE_EQ(connectivity_scale(cauchy, 7999), std::pow(7999., -0.67));
  EXPECT_DOUBLE_EQ(connectivity_scale(cauchy, 8000), std::pow(8000., -0.66));
}

TEST(ConnectivityScale, KeepsSigmaRootNBeyond8000) {
  const ConnectivityConfig cauchy;
  const double at_8000 = connectivity_scale(cauchy, 8000) * std::sqrt(8000.);
  EXPECT_NEAR(at_8000 * kTruncatedDeviation, 0.918, 0.001);
  for (const std::int64_t neurons : {8001, 16000, 100000})
    EXPECT_NEAR(connectivity_scale(cauchy, neurons) * std::sqrt(static_cast<double>(neurons)), at_8000,
                1e-12);
}

TEST(ConnectivityScale, TakesAnExplicitExponentAtAnySize) {
  ConnectivityConfig config;
  config.exponent = 0.5;
  EXPECT_DOUBLE_EQ(connectivity_scale(config, 100), 0.1);
  EXPECT_DOUBLE_EQ(connectivity_scale(config, 10000), 0.01);
  config.distribution = ConnectivityDistribution::gaussian;
  EXPECT_DOUBLE_EQ(connectivity_scale(config, 10000), 0.01);
}

TEST(Connectivity, CauchyHasThePublishedSpread) {
  const ConnectivityConfig config;
  const std::vector<double> values = draws(config, kNeurons, 0, whole(config));
  // One standard error of this deviation is 0.2 %, of the mean 0.004.
  EXPECT_NEAR(std::sqrt(moment(values, 2)), kTruncatedDeviation, 0.01 * kTruncatedDeviation);
  EXPECT_NEAR(moment(values, 1), 0, 0.016);
  EXPECT_LE(*std::ranges::max_element(values), 25 * (1 + 1e-6));
  EXPECT_GT(*std::ranges::max_element(values), 24.9);
  EXPECT_LT(*std::ranges::min_element(values), -24.9);
}

TEST(Connectivity, CauchyHasTheQuantilesOfItsLaw) {
  const ConnectivityConfig config;
  const std::vector<double> values = draws(config, kNeurons, 0, whole(config));
  for (const double x : {-20., -5., -1., -0.2, -0.01}) {
    const double below = std::numbers::inv_pi * (std::atan(x) + std::atan(25.));
    EXPECT_NEAR(fraction(values, [x](double v) { return v < x; }), below, 0.002) << "below " << x;
    EXPECT_NEAR(fraction(values, [x](double v) { return v > -x; }), below, 0.002) << "above " << -x;
  }
}

TEST(Connectivity, CauchyIsZeroBeyondTheCutoff) {
  ConnectivityConfig config;
  const auto zeros = [](double v) { return v == 0; };
  EXPECT_NEAR(fraction(draws(config, kNeurons, 0, whole(config)), zeros), 0.02545, 0.0006);
  config.cutoff = 1;
  const std::vector<double> half = draws(config, kNeurons, 0, whole(config));
  EXPECT_NEAR(fraction(half, zeros), 0.5, 0.002);
  EXPECT_LE(*std::ranges::max_element(half), 1 + 1e-6);
}

TEST(Connectivity, GaussianHasItsMomentsAndTheSpreadOfTheCauchyLaw) {
  const ConnectivityConfig config = gaussian();
  const std::vector<double> values = draws(config, kNeurons, 0, whole(config));
  EXPECT_NEAR(moment(values, 1), 0, 0.004);
  EXPECT_NEAR(moment(values, 2), 1, 0.006);
  EXPECT_NEAR(moment(values, 4), 3, 0.04);
  for (const std::int64_t neurons : {1000, 8000, 32000})
    EXPECT_NEAR(connectivity_scale(config, neurons), kTruncatedDeviation * connectivity_scale({}, neurons),
                1e-5);
}

TEST(Connectivity, BeyondTheLargestPublishedSizeRowsHaveTheRightSpread) {
  constexpr std::int64_t neurons = 40000, first = 31000, count = 50;
  const std::vector<double> values = draws({}, neurons, first, rows_of({}, neurons, first, count));
  const double deviation = std::sqrt(moment(values, 2)) * connectivity_scale({}, neurons);
  EXPECT_NEAR(deviation * std::sqrt(static_cast<double>(neurons)), 0.918, 0.01);
}

TEST(Connectivity, HasAZeroDiagonalWhateverTheRowsStartWith) {
  for (const ConnectivityConfig& config : {ConnectivityConfig{}, gaussian()}) {
    const std::vector<float> rows = rows_of(config, 300, 120, 50);
    for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(rows[i * 300 + 120 + i], 0);
  }
}

TEST(Connectivity, SparsityRemovesThatFractionAndKeepsTheRest) {
  ConnectivityConfig sparse = gaussian();
  sparse.sparsity = 0.3;
  const std::vector<float> full_rows = whole(gaussian()), sparse_rows = whole(sparse);
  const std::vector<double> values = draws(sparse, kNeurons, 0, sparse_rows);
  EXPECT_NEAR(fraction(values, [](double v) { return v == 0; }), 0.3, 0.002);
  for (std::size_t k = 0; k < sparse_rows.size(); ++k)
    ASSERT_TRUE(sparse_rows[k] == 0 || sparse_rows[k] == full_rows[k]) << "entry " << k;
  // Absence does not depend on the weight: what is left has the same moments.
  EXPECT_NEAR(moment(values, 2), 0.7, 0.005);
  EXPECT_NEAR(moment(values, 4), 2.1, 0.04);
}

TEST(Connectivity, EntriesAreIndependentOfTheirNeighbours) {
  const std::vector<float> w = whole({});
  const auto at = [&w](std::int64_t i, std::int64_t j) {
    return w[static_cast<std::size_t>(i * kNeurons + j)];
  };
  double along = 0, across = 0, transposed = 0, squares = 0;
  for (std::int64_t i = 0; i + 1 < kNeurons; ++i)
    for (std::int64_t j = 0; j + 1 < kNeurons; ++j) {
      squares += at(i, j) * at(i, j);
      along += at(i, j) * at(i, j + 1);
      across += at(i, j) * at(i + 1, j);
      if (i < j) transposed += at(i, j) * at(j, i);
    }
  // Correlations of a million pairs, half a million for the transposed ones: 4.5 standard errors.
  EXPECT_LT(std::abs(along / squares), 0.0045);
  EXPECT_LT(std::abs(across / squares), 0.0045);
  EXPECT_LT(std::abs(2 * transposed / squares), 0.0064);
}

TEST(Connectivity, DoesNotDependOnTheSplitOfTheRowsNorOnThreads) {
  constexpr std::int64_t neurons = 257;
  ConnectivityConfig config;
  config.sparsity = 0.1;
  const std::vector<float> at_once = rows_of(config, neurons, 0, neurons);
  std::vector<float> pieces;
  const int threads = omp_get_max_threads();
  for (const auto& [first, count] : {std::pair{0, 1}, {1, 100}, {101, 156}}) {
    omp_set_num_threads(1 + first % 3);
    const std::vector<float> piece = rows_of(config, neurons, first, count);
    pieces.insert(pieces.end(), piece.begin(), piece.end());
  }
  omp_set_num_threads(threads);
  EXPECT_EQ(at_once, pieces);
}

TEST(Connectivity, DiffersBetweenSeeds) {
  const std::vector<float> one = whole({}, 1), two = whole({}, 2);
  double product = 0, squares = 0;
  for (std::size_t k = 0; k < one.size(); ++k) product += one[k] * two[k], squares += one[k] * one[k];
  EXPECT_LT(std::abs(product / squares), 0.0045);
}

}  // namespace
}  // namespace weft
