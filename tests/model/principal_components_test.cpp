#include "weft/model/principal_components.hpp"

#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/zeros.h>

#include "random_tensor.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 23, kPoints = 9;

/// The components of all neurons, (neurons x 2), each rank's part computed there. @collective
at::Tensor components_of(const at::Tensor& curves) {
  const RowPartition partition(kNeurons, test_world().size());
  const int shard = test_world().rank();
  const at::Tensor own = curves.narrow(0, partition.begin(shard), partition.size(shard)).contiguous();
  std::vector<double> part = principal_components(
      test_world(), partition, std::span(own.const_data_ptr<double>(), static_cast<std::size_t>(own.numel())),
      kPoints);
  EXPECT_EQ(std::ssize(part), 2 * partition.size(shard));
  at::Tensor all = at::zeros({kNeurons, 2}, at::kDouble);
  std::vector<std::int64_t> counts;
  for (const std::int64_t size : partition.sizes()) counts.push_back(2 * size);
  test_world()
      .all_gather(std::span<double>(part), std::span(all.mutable_data_ptr<double>(), 2 * kNeurons), counts)
      .wait();
  return all;
}

/// By a dense decomposition of all curves about their mean.
at::Tensor dense_components(const at::Tensor& curves) {
  return std::get<0>(at::linalg_svd(curves - curves.mean(0, true), false)).narrow(1, 0, 2) *
         std::sqrt(static_cast<double>(kNeurons));
}

/// Curves of some rank about a mean far from 0, (neurons x points).
at::Tensor sample(std::int64_t rank) {
  return random_tensor({kNeurons, rank}, 1).matmul(random_tensor({rank, kPoints}, 2)) +
         5 * random_tensor({1, kPoints}, 3);
}

double largest(const at::Tensor& values) { return values.abs().max().item<double>(); }

void expect_same_up_to_sign(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_LT(std::min(largest(actual - expected), largest(actual + expected)), 1e-9);
}

TEST(PrincipalComponents, AreThoseOfTheDenseDecomposition) {
  for (const std::int64_t rank : {2, 3, 9}) {
    const at::Tensor curves = sample(rank);
    const at::Tensor actual = components_of(curves), expected = dense_components(curves);
    for (const std::int64_t c : {0, 1}) expect_same_up_to_sign(actual.select(1, c), expected.select(1, c));
  }
}

TEST(PrincipalComponents, HaveMeanZeroAndUnitVariance) {
  const at::Tensor components = components_of(1e-3 * sample(4));
  EXPECT_LT(largest(components.mean(0)), 1e-12);
  EXPECT_LT(largest(components.square().mean(0) - 1), 1e-9);
}

TEST(PrincipalComponents, OfCurvesThatDifferInOneWayTheSecondIsZero) {
  const at::Tensor curves = sample(1), components = components_of(curves);
  expect_same_up_to_sign(components.select(1, 0), dense_components(curves).select(1, 0));
  EXPECT_EQ(largest(components.select(1, 1)), 0);
}

TEST(PrincipalComponents, OfEqualCurvesAreZero) {
  EXPECT_EQ(largest(components_of(at::zeros({kNeurons, kPoints}, at::kDouble))), 0);
  EXPECT_LT(largest(components_of(sample(1).select(0, 0).expand({kNeurons, kPoints}))), 1e-6);
}

}  // namespace
}  // namespace weft
