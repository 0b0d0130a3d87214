// Training on a process grid against training on one rank.

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "weft/train/adam_trainer.hpp"
#include "weft/train/tensor_buffer.hpp"

#include "assembly.hpp"
#include "saved_training.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = Assembly::neurons;

/// Every option in use: an epoch ends on the way, rates fall, W is penalised.
TrainingConfig thirty_steps() {
  TrainingConfig config;
  config.steps = 30;
  config.batch_size = 12;
  config.epoch_steps = 20;
  config.final_rate = 0.3;
  config.learning_rate = {1e-2, 5e-3, 1e-3, 1e-3};
  config.loss = {1, 10, 0.01, 0.02};
  return config;
}

/// The state of a trained network that this rank holds.
struct Trained {
  at::Tensor connectivity, embedding, psi, phi;
  LossHistory history;
};

Trained train(const ProcessGrid& grid, at::ScalarType type) {
  const RowPartition partition(kNeurons, grid.shards());
  AdamTrainer trainer(host(), grid, Assembly().data(partition, grid.shard()),
                      random_network(partition, grid.shard(), type), thirty_steps(), 7);
  train_unattended(trainer);
  const SignalGnn& model = trainer.model();
  return {model.connectivity, model.embedding, model.psi.parameters(), model.phi.parameters(),
          trainer.history()};
}

Trained train_alone(at::ScalarType type) {
  const auto self = make_self_communicator();
  return train(ProcessGrid(*self, 1), type);
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

/// Whether all ranks of `group` hold the same bits.
bool is_common(Communicator& group, const at::Tensor& own) {
  at::Tensor first = own.clone();
  group.broadcast(buffer_of(first), 0).wait();
  return first.equal(own);
}

/// By number of replicas.
class AdamTrainerOn : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (test_world().size() % GetParam() != 0) GTEST_SKIP() << "these ranks cannot be split into replicas";
    grid_ = std::make_unique<ProcessGrid>(test_world(), GetParam());
  }
  /// The rows of this rank's shard.
  at::Tensor own_rows(const at::Tensor& all) const {
    const RowPartition partition(kNeurons, grid_->shards());
    return all.narrow(0, partition.begin(grid_->shard()), partition.size(grid_->shard()));
  }
  void expect_near(const Trained& trained, const Trained& alone, double tolerance) const {
    EXPECT_LE(distance(trained.connectivity, own_rows(alone.connectivity)), tolerance);
    EXPECT_LE(distance(trained.embedding, own_rows(alone.embedding)), tolerance);
    EXPECT_LE(distance(trained.psi, alone.psi), tolerance);
    EXPECT_LE(distance(trained.phi, alone.phi), tolerance);
    ASSERT_EQ(trained.history.total.size(), alone.history.total.size());
    for (std::size_t k = 0; k < alone.history.total.size(); ++k) {
      EXPECT_NEAR(trained.history.total[k], alone.history.total[k], tolerance * alone.history.total[k]);
    }
  }

  std::unique_ptr<ProcessGrid> grid_;
};

TEST_P(AdamTrainerOn, GivesWhatOneRankGivesInDoublePrecision) {
  expect_near(train(*grid_, at::kDouble), train_alone(at::kDouble), 1e-10);
}

TEST_P(AdamTrainerOn, GivesWhatOneRankGivesInSinglePrecision) {
  // Parameters of order 1 that travel up to 30 steps of 1e-2; rounding errors add up to 1e-6.
  expect_near(train(*grid_, at::kFloat), train_alone(at::kFloat), 1e-5);
}

TEST_P(AdamTrainerOn, GivesTheSameBitsAgain) {
  const Trained once = train(*grid_, at::kFloat);
  const Trained again = train(*grid_, at::kFloat);
  EXPECT_TRUE(once.connectivity.equal(again.connectivity));
  EXPECT_TRUE(once.embedding.equal(again.embedding));
  EXPECT_TRUE(once.psi.equal(again.psi));
  EXPECT_TRUE(once.phi.equal(again.phi));
  EXPECT_EQ(once.history.total, again.history.total);
}

TEST_P(AdamTrainerOn, KeepsEqualWhatRanksShare) {
  const Trained trained = train(*grid_, at::kFloat);
  EXPECT_TRUE(is_common(grid_->world(), trained.psi));
  EXPECT_TRUE(is_common(grid_->world(), trained.phi));
  EXPECT_TRUE(is_common(grid_->replicas(), trained.connectivity));
  EXPECT_TRUE(is_common(grid_->replicas(), trained.embedding));
}

INSTANTIATE_TEST_SUITE_P(Replicas, AdamTrainerOn, testing::Values(1, 2, 3, 4),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace weft
