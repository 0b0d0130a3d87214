#include "weft/model/signal_gnn.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>

#include "model/random_tensor.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 13;

TEST(SignalGnn, InitialIsTheSameForAnyNumberOfShards) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const SignalGnn whole = SignalGnn::initial(RowPartition(kNeurons, 1), 0, 5, type);
    for (const int shards : {2, 3, 4, 13}) {
      const RowPartition partition(kNeurons, shards);
      for (int shard = 0; shard < shards; ++shard) {
        const SignalGnn part = SignalGnn::initial(partition, shard, 5, type);
        EXPECT_EQ(part.connectivity.scalar_type(), type);
        EXPECT_TRUE(part.connectivity.equal(whole.connectivity.narrow(0, part.first_row(), part.rows())))
            << "shard " << shard << " of " << shards;
        EXPECT_TRUE(part.psi.parameters().equal(whole.psi.parameters()));
        EXPECT_TRUE(part.phi.parameters().equal(whole.phi.parameters()));
      }
    }
  }
}

TEST(SignalGnn, InitialIsThePublishedOne) {
  const std::int64_t neurons = 64;
  const SignalGnn model = SignalGnn::initial(RowPartition(neurons, 1), 0, 5, at::kDouble);
  const at::Tensor on_diagonal = at::eye(neurons, at::kBool);
  EXPECT_FALSE(model.connectivity.masked_select(on_diagonal).any().item<bool>());
  EXPECT_TRUE(model.embedding.equal(at::ones({neurons, 2}, at::kDouble)));

  // A standard normal: moments to 4 standard errors.
  const at::Tensor weights = model.connectivity.masked_select(on_diagonal.logical_not());
  const double root = std::sqrt(static_cast<double>(weights.numel()));
  EXPECT_NEAR(weights.mean().item<double>(), 0, 4 / root);
  EXPECT_NEAR(weights.square().mean().item<double>(), 1, 4 * std::sqrt(2) / root);
  EXPECT_NEAR(weights.pow(4).mean().item<double>(), 3, 4 * std::sqrt(96) / root);
}

TEST(SignalGnn, InitialNumbersDifferBySeedAndByPart) {
  const RowPartition partition(kNeurons, 1);
  const SignalGnn one = SignalGnn::initial(partition, 0, 5, at::kFloat);
  const SignalGnn other = SignalGnn::initial(partition, 0, 6, at::kFloat);
  EXPECT_FALSE(one.connectivity.equal(other.connectivity));
  EXPECT_FALSE(one.psi.parameters().equal(other.psi.parameters()));
  EXPECT_FALSE(one.phi.parameters().equal(other.phi.parameters()));
  EXPECT_FALSE(one.psi.parameters().narrow(0, 0, 64).equal(one.phi.parameters().narrow(0, 0, 64)));
  EXPECT_FALSE(one.connectivity.equal(one.connectivity.t()));
}

TEST(SignalGnn, PhiInputTakesFrameByFrameActivityThenLatents) {
  SignalGnn model = SignalGnn::initial(RowPartition(kNeurons, 3), 1, 5, at::kDouble);
  model.embedding.copy_(random_tensor({model.rows(), 2}, 1));
  const std::int64_t batch = 3;
  const at::Tensor x = random_tensor({batch, model.rows()}, 2);

  const at::Tensor input = model.phi_input(x);
  ASSERT_EQ(input.sizes(), at::IntArrayRef({batch * model.rows(), 3}));
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t i = 0; i < model.rows(); ++i) {
      const at::Tensor row = input[b * model.rows() + i];
      EXPECT_EQ(row[0].item<double>(), x[b][i].item<double>());
      EXPECT_EQ(row[1].item<double>(), model.embedding[i][0].item<double>());
      EXPECT_EQ(row[2].item<double>(), model.embedding[i][1].item<double>());
    }
  }
}

}  // namespace
}  // namespace weft
