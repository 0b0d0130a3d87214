// What goes over ranks by parts: tensors longer than a part of 2^24 numbers.

#include "train/tensor_sums.hpp"

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kMoreThanAPart = (std::int64_t{1} << 24) + 5;

TEST(TensorSums, ASumGoesOverRanksByParts) {
  at::Tensor values = at::full({kMoreThanAPart}, test_world().rank() + 1, at::kFloat);
  sum_over(test_world(), values);
  const int ranks = test_world().size();
  EXPECT_TRUE((values == ranks * (ranks + 1) / 2).all().item<bool>());
}

TEST(TensorSums, ABroadcastGoesByParts) {
  const int root = test_world().size() - 1;
  const at::Tensor expected = at::arange(kMoreThanAPart, at::kInt).remainder(1000).to(at::kFloat);
  at::Tensor values =
      test_world().rank() == root ? expected.clone() : at::full({kMoreThanAPart}, -1, at::kFloat);
  broadcast(test_world(), values, root);
  EXPECT_TRUE(values.equal(expected));
}

}  // namespace
}  // namespace weft
