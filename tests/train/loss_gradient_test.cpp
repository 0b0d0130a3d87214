#include "weft/train/loss_gradient.hpp"

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "weft/train/adam.hpp"

#include "assembly.hpp"
#include "model/plain_mlp.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = Assembly::neurons;
constexpr double kDelta = 0.3;

/// How psi runs over the activities.
enum class PsiShape {
  random,   ///< rises here and falls there
  rising,   ///< never falls: the monotone term is 0
  falling,  ///< falls below 0 and is constant above; the first frame's activities are all above
};

struct Case {
  std::int64_t batch;
  double phi_zero;
  double psi_monotone;
  PsiShape shape;
};

std::string name_of(const testing::TestParamInfo<Case>& test) {
  const Case& the = test.param;
  const std::vector<std::string> shapes{"random", "rising", "falling"};
  return "batch_" + std::to_string(the.batch) + (the.phi_zero > 0 ? "_zero" : "") +
         (the.psi_monotone > 0 ? "_monotone" : "") + "_" + shapes.at(static_cast<std::size_t>(the.shape));
}

SignalGnn network(const RowPartition& partition, int shard, PsiShape shape) {
  SignalGnn model = random_network(partition, shard, at::kDouble);
  if (shape == PsiShape::random) return model;
  // Layers of positive weights rise with their inputs; the sign of the first decides for psi.
  auto named = model.psi.named_parameters();
  for (const std::size_t weight : {0, 2, 4}) named[weight].second.abs_();
  if (shape == PsiShape::falling) {
    named[0].second.neg_();
    named[1].second.zero_();
  }
  return model;
}

/// The batch x (B x N) of a case, and its targets.
std::pair<at::Tensor, at::Tensor> frames(const Case& the) {
  const Assembly assembly;
  at::Tensor x = assembly.activity.narrow(0, 0, the.batch).clone();
  if (the.shape == PsiShape::falling) x[0].abs_();
  return {x, assembly.derivative.narrow(0, 0, the.batch).clone()};
}

/// The loss of the published training with W as an explicit matrix, differentiated by LibTorch.
struct PlainGradient {
  at::Tensor connectivity, embedding, psi, phi;
  Losses losses;

  PlainGradient(const SignalGnn& model, const at::Tensor& x, const at::Tensor& y, const LossConfig& weights)
      : connectivity(leaf(model.connectivity)),
        embedding(leaf(model.embedding)),
        psi(leaf(model.psi.parameters())),
        phi(leaf(model.phi.parameters())) {
    const at::Tensor without_self = 1 - at::eye(kNeurons, at::kDouble);
    std::vector<at::Tensor> residuals;
    at::Tensor zero_term = at::zeros({}, at::kDouble), monotone_term = at::zeros({}, at::kDouble);
    for (std::int64_t b = 0; b < x.size(0); ++b) {
      residuals.push_back(phi_of(x[b]) + (connectivity * without_self).matmul(psi_of(x[b])) - y[b]);
      zero_term = zero_term + weights.phi_zero * phi_of(at::zeros_like(x[b])).norm();
      monotone_term =
          monotone_term + weights.psi_monotone * at::relu(psi_of(x[b]) - psi_of(x[b] + kDelta)).norm();
    }
    const at::Tensor data_term = at::stack(residuals).norm();
    (data_term + zero_term + monotone_term).backward();
    losses = {data_term.item<double>(), zero_term.item<double>(), monotone_term.item<double>()};
  }

 private:
  static at::Tensor leaf(const at::Tensor& values) { return values.clone().set_requires_grad(true); }
  at::Tensor psi_of(const at::Tensor& x) const { return plain_mlp(psi, x.unsqueeze(1)); }
  at::Tensor phi_of(const at::Tensor& x) const {
    return plain_mlp(phi, at::cat({x.unsqueeze(1), embedding}, 1));
  }
};

void expect_close(const at::Tensor& actual, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((actual - expected).abs().max().item<double>(), 1e-10 * scale) << what;
}

/// dL/dW of a shard from its factors, zero on the diagonal.
at::Tensor connectivity_gradient(const StepGradient& gradient, const SignalGnn& model) {
  at::Tensor dense = gradient.g.t().matmul(gradient.psi_values);
  dense.narrow(1, model.first_row(), model.rows()).fill_diagonal_(0);
  return dense;
}

/// The part of (B x N) that a rank of the grid works on.
at::Tensor own_part(const at::Tensor& all, const ProcessGrid& grid, const SignalGnn& model) {
  const std::int64_t batch = all.size(0) / grid.replicas().size();
  return all.narrow(0, grid.replica() * batch, batch).narrow(1, model.first_row(), model.rows()).contiguous();
}

at::Tensor no_votes() { return at::zeros({Votes::kCount}, at::kDouble); }

StepGradient gradient_on(const ProcessGrid& grid, const SignalGnn& model, const Case& the) {
  const auto [x, y] = frames(the);
  ConnectivityOptimizer connectivity(model.connectivity, model.first_row(), {});
  LossGradient loss_gradient(grid, {the.phi_zero, the.psi_monotone}, kDelta);
  return loss_gradient(model, connectivity, own_part(x, grid, model), own_part(y, grid, model), no_votes());
}

class LossGradientOf : public testing::TestWithParam<Case> {};

TEST_P(LossGradientOf, IsThatOfAutogradOnEveryGrid) {
  const Case& the = GetParam();
  const auto [x, y] = frames(the);
  const PlainGradient plain(network(RowPartition(kNeurons, 1), 0, the.shape), x, y,
                            {the.phi_zero, the.psi_monotone});
  if (the.shape != PsiShape::random) {
    EXPECT_EQ(plain.losses.psi_monotone > 0,
              the.shape == PsiShape::falling && the.psi_monotone > 0 && the.batch > 1);
  }

  for (int replicas = 1; replicas <= test_world().size(); ++replicas) {
    if (test_world().size() % replicas != 0 || the.batch % replicas != 0) continue;
    SCOPED_TRACE(std::to_string(replicas) + " replicas");
    const ProcessGrid grid(test_world(), replicas);
    const SignalGnn model = network(RowPartition(kNeurons, grid.shards()), grid.shard(), the.shape);
    const StepGradient gradient = gradient_on(grid, model, the);
    const auto own_rows = [&](const at::Tensor& all) {
      return all.narrow(0, model.first_row(), model.rows());
    };
    const Losses losses = losses_in(gradient.sums).front();
    EXPECT_NEAR(losses.data, plain.losses.data, 1e-10 * plain.losses.data);
    EXPECT_NEAR(losses.phi_zero, plain.losses.phi_zero, 1e-10);
    EXPECT_NEAR(losses.psi_monotone, plain.losses.psi_monotone, 1e-10);
    expect_close(connectivity_gradient(gradient, model), own_rows(plain.connectivity.grad()), "W");
    expect_close(gradient.embedding, own_rows(plain.embedding.grad()), "a");
    expect_close(gradient.psi, plain.psi.grad(), "psi");
    expect_close(gradient.phi, plain.phi.grad(), "phi");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Batches, LossGradientOf,
    testing::Values(Case{1, 0, 0, PsiShape::random}, Case{1, 1, 0, PsiShape::random},
                    Case{1, 0, 100, PsiShape::random}, Case{1, 1, 100, PsiShape::random},
                    Case{1, 1, 100, PsiShape::rising}, Case{1, 1, 100, PsiShape::falling},
                    Case{3, 0, 0, PsiShape::random}, Case{3, 0.7, 0, PsiShape::random},
                    Case{3, 0, 20, PsiShape::random}, Case{3, 0.7, 20, PsiShape::random},
                    Case{3, 0.7, 20, PsiShape::rising}, Case{3, 0.7, 20, PsiShape::falling},
                    Case{4, 0, 0, PsiShape::random}, Case{4, 0.7, 20, PsiShape::random},
                    Case{4, 0.7, 20, PsiShape::rising}, Case{4, 0.7, 20, PsiShape::falling}),
    name_of);

TEST(LossGradient, OfNormsThatAreZeroIsZero) {
  const ProcessGrid grid(test_world(), 1);
  SignalGnn model = network(RowPartition(kNeurons, grid.shards()), grid.shard(), PsiShape::random);
  model.psi.parameters().zero_();
  model.phi.parameters().zero_();
  ConnectivityOptimizer connectivity(model.connectivity, model.first_row(), {});
  LossGradient loss_gradient(grid, {1, 100}, kDelta);
  const at::Tensor x = own_part(frames({2, 1, 100, PsiShape::random}).first, grid, model);

  const StepGradient gradient = loss_gradient(model, connectivity, x, at::zeros_like(x), no_votes());
  EXPECT_EQ(losses_in(gradient.sums).front().total(), 0);
  for (const at::Tensor& part : {gradient.g, gradient.embedding, gradient.psi, gradient.phi}) {
    EXPECT_TRUE(part.equal(at::zeros_like(part)));
  }
}

TEST(LossGradient, BringsTheVotesOfAllRanks) {
  const int ranks = test_world().size(), rank = test_world().rank();
  for (int replicas = 1; replicas <= ranks; ++replicas) {
    if (ranks % replicas != 0) continue;
    const ProcessGrid grid(test_world(), replicas);
    const RowPartition partition(kNeurons, grid.shards());
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const SignalGnn model = random_network(partition, grid.shard(), type);
      ConnectivityOptimizer connectivity(model.connectivity, model.first_row(), {});
      LossGradient loss_gradient(grid, {1, 100}, kDelta);
      const at::Tensor x = at::ones({2, model.rows()}, type);
      const at::Tensor votes = at::zeros({Votes::kCount}, type);
      votes[0] = rank == ranks - 1 ? 1 : 0;
      votes[2] = 1;
      const StepGradient gradient = loss_gradient(model, connectivity, x, x, votes);
      const Votes sum = votes_in(gradient.sums);
      EXPECT_EQ(sum.stop, 1);
      EXPECT_EQ(sum.checkpoint, 0);
      EXPECT_EQ(sum.written, ranks);
    }
  }
}

TEST(GradientNorm, IsThatOfAutogradOnEveryGrid) {
  const Case the{4, 0.7, 20, PsiShape::random};
  const auto [x, y] = frames(the);
  const PlainGradient plain(network(RowPartition(kNeurons, 1), 0, the.shape), x, y,
                            {the.phi_zero, the.psi_monotone});
  double squares = 0;
  for (const at::Tensor* part : {&plain.connectivity, &plain.embedding, &plain.psi, &plain.phi})
    squares += part->grad().square().sum().item<double>();

  for (int replicas = 1; replicas <= test_world().size(); ++replicas) {
    if (test_world().size() % replicas != 0 || the.batch % replicas != 0) continue;
    SCOPED_TRACE(std::to_string(replicas) + " replicas");
    const ProcessGrid grid(test_world(), replicas);
    const SignalGnn model = network(RowPartition(kNeurons, grid.shards()), grid.shard(), the.shape);
    const double norm = gradient_norm(grid, model, gradient_on(grid, model, the));
    EXPECT_NEAR(norm, std::sqrt(squares), 1e-10 * std::sqrt(squares));
  }
}

TEST(LossGradient, SeesTheStepThatWaits) {
  const ProcessGrid grid(test_world(), 1);
  const RowPartition partition(kNeurons, grid.shards());
  const Case the{3, 1, 100, PsiShape::random};
  const auto [x, y] = frames(the);
  const SignalGnn stepped = network(partition, grid.shard(), the.shape);
  const SignalGnn waiting = network(partition, grid.shard(), the.shape);
  const StepGradient first = gradient_on(grid, stepped, the);
  const auto gradient_with = [&](const SignalGnn& model, ConnectivityOptimizer& connectivity) {
    LossGradient loss_gradient(grid, {the.phi_zero, the.psi_monotone}, kDelta);
    return loss_gradient(model, connectivity, own_part(x, grid, model), own_part(y, grid, model), no_votes());
  };

  ConnectivityOptimizer at_once(stepped.connectivity, stepped.first_row(), {});
  at_once.step(first.g, first.psi_values, factors_at(0.1, 1));
  at_once.flush();
  ConnectivityOptimizer later(waiting.connectivity, waiting.first_row(), {});
  later.step(first.g, first.psi_values, factors_at(0.1, 1));
  const StepGradient expected = gradient_with(stepped, at_once);
  const StepGradient actual = gradient_with(waiting, later);
  EXPECT_FALSE(expected.sums.equal(first.sums));
  EXPECT_TRUE(actual.sums.equal(expected.sums));
  EXPECT_TRUE(actual.psi.equal(expected.psi));
  EXPECT_TRUE(actual.g.equal(expected.g));
}

}  // namespace
}  // namespace weft
