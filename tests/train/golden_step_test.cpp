#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/ops/zeros.h>

#include "weft/train/adam_trainer.hpp"
#include "weft/train/loss_gradient.hpp"

#include "golden.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE(actual.sub(expected).abs().max().item<double>(), tolerance * scale) << what;
}

/// Row shards x replicas and a case of the golden file.
struct Layout {
  std::string name;
  int replicas;
};

class GoldenStep : public testing::TestWithParam<Layout> {
 protected:
  void SetUp() override {
    const Layout& layout = GetParam();
    if (test_world().size() % layout.replicas != 0)
      GTEST_SKIP() << "these ranks cannot be split into replicas";
    if (GoldenSteps(layout.name).batch() % layout.replicas != 0) GTEST_SKIP() << "one frame cannot be split";
  }
};

TEST_P(GoldenStep, LossesAndGradientsAreTheReferences) {
  const GoldenSteps golden(GetParam().name);
  const ProcessGrid grid(test_world(), GetParam().replicas);
  const RowPartition partition(GoldenSteps::kNeurons, grid.shards());
  const SignalGnn model = golden.model("init", partition, grid.shard());
  const TrainingData data = golden.data(partition, grid.shard());
  const std::int64_t batch = golden.batch() / GetParam().replicas;
  LossGradient loss_gradient(grid, golden.config().loss, golden.attribute("delta"));
  ConnectivityOptimizer connectivity(model.connectivity, model.first_row(), {});

  const std::int64_t first = grid.replica() * batch;
  const StepGradient gradient =
      loss_gradient(model, connectivity, data.activity.narrow(0, first, batch),
                    data.derivative.narrow(0, first, batch), at::zeros({Votes::kCount}, at::kDouble));

  const Losses losses = losses_in(gradient.sums).front();
  EXPECT_NEAR(losses.data, golden.read("loss_data")[0].item<double>(), 1e-9);
  EXPECT_NEAR(losses.phi_zero, golden.read("loss_phi_zero")[0].item<double>(), 1e-9);
  EXPECT_NEAR(losses.psi_monotone, golden.read("loss_edge_diff")[0].item<double>(), 1e-9);
  at::Tensor dense = gradient.g.t().matmul(gradient.psi_values);
  for (std::int64_t i = 0; i < model.rows(); ++i) dense[i][model.first_row() + i] = 0;
  expect_close(dense, golden.read("grad/W").narrow(0, model.first_row(), model.rows()), 1e-11, "W");
  expect_close(gradient.embedding, golden.read("grad/a").narrow(0, model.first_row(), model.rows()), 1e-11,
               "a");
  expect_close(gradient.psi, golden.flat("grad", "psi"), 1e-11, "psi");
  expect_close(gradient.phi, golden.flat("grad", "phi"), 1e-11, "phi");
}

TEST_P(GoldenStep, TenStepsOfAdamAreTheReferences) {
  const GoldenSteps golden(GetParam().name);
  const ProcessGrid grid(test_world(), GetParam().replicas);
  const RowPartition partition(GoldenSteps::kNeurons, grid.shards());
  AdamTrainer trainer(host(), grid, golden.data(partition, grid.shard()),
                      golden.model("init", partition, grid.shard()), golden.config(), 0);
  const at::Tensor losses = golden.read("loss_total");

  std::vector<std::int64_t> frames(static_cast<std::size_t>(golden.batch()));
  for (std::int64_t step = 0; step < GoldenSteps::kSteps; ++step) {
    std::iota(frames.begin(), frames.end(), step * golden.batch());
    EXPECT_NEAR(trainer.step(frames).total(), losses[step].item<double>(), 1e-9) << "step " << step;
    if (step == 0 || step == 1 || step == 9) {
      trainer.finish();
      const SignalGnn expected = golden.model("after_" + std::to_string(step + 1), partition, grid.shard());
      expect_close(trainer.model().connectivity, expected.connectivity, 1e-12, "W");
      expect_close(trainer.model().embedding, expected.embedding, 1e-12, "a");
      expect_close(trainer.model().psi.parameters(), expected.psi.parameters(), 1e-12, "psi");
      expect_close(trainer.model().phi.parameters(), expected.phi.parameters(), 1e-12, "phi");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenStep,
                         testing::Values(Layout{"b1", 1}, Layout{"b8", 1}, Layout{"b1_monotone", 1},
                                         Layout{"b8", 2}),
                         [](const auto& test) {
                           return test.param.name + "_replicas_" + std::to_string(test.param.replicas);
                         });

}  // namespace
}  // namespace weft
