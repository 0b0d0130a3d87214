#include "same_network.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

namespace weft {
namespace {

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

void expect_same_errors(const SplineNetwork& found, const SplineNetwork& alone, std::int64_t first,
                        double tolerance) {
  // A residual that is mere rounding may be another one.
  const auto near = [&](double value) { return tolerance * (0.1 + 100 * value); };
  for (std::int64_t i = 0; i < found.rows(); ++i) {
    const auto here = static_cast<std::size_t>(i), there = static_cast<std::size_t>(first + i);
    EXPECT_NEAR(found.errors.row[here], alone.errors.row[there], near(alone.errors.row[there]));
    EXPECT_NEAR(found.errors.residual[here], alone.errors.residual[there],
                near(alone.errors.residual[there]));
  }
  ASSERT_EQ(found.errors.column.size(), alone.errors.column.size());
  for (std::size_t j = 0; j < found.errors.column.size(); ++j)
    EXPECT_NEAR(found.errors.column[j], alone.errors.column[j], 100 * tolerance * alone.errors.column[j]);
}

}  // namespace

void expect_same_network(const SplineNetwork& found, const SplineNetwork& alone, double tolerance) {
  const std::int64_t first = found.partition.begin(found.shard);
  EXPECT_LT(distance(found.connectivity, alone.connectivity.narrow(0, first, found.rows())),
            tolerance * alone.connectivity.abs().max().item<double>());
  ASSERT_EQ(found.psi.size(), alone.psi.size());
  for (std::size_t k = 0; k < found.psi.size(); ++k) EXPECT_NEAR(found.psi[k], alone.psi[k], 100 * tolerance);
  for (std::int64_t i = 0; i < found.rows(); ++i) {
    const double there = alone.phi_at(LocalRow{first + i}, 5);
    EXPECT_NEAR(found.phi_at(LocalRow{i}, 5), there, 100 * tolerance * std::abs(there));
  }
  expect_same_errors(found, alone, first, tolerance);
}

}  // namespace weft
