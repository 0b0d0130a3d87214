#include "weft/train/adam_trainer.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "assembly.hpp"
#include "saved_training.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"
#include "support/scripted_control.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = Assembly::neurons;

TrainingConfig config_of(std::int64_t steps, std::int64_t batch) {
  TrainingConfig config;
  config.steps = steps;
  config.batch_size = batch;
  config.learning_rate = {1e-2, 5e-3, 1e-3, 1e-3};
  return config;
}

/// All ranks as row shards of one replica.
class AdamTraining : public testing::Test {
 protected:
  AdamTraining() : data(Assembly().data(partition_, grid_.shard())) {}

  SignalGnn network() const { return random_network(partition_, grid_.shard(), at::kFloat); }
  AdamTrainer trainer(const TrainingConfig& config) const { return trainer(config, network()); }
  AdamTrainer trainer(const TrainingConfig& config, SignalGnn model) const {
    return {host(), grid_, data, std::move(model), config, 7};
  }

  ProcessGrid grid_{test_world(), 1};
  RowPartition partition_{kNeurons, grid_.shards()};
  TrainingData data;
};

using Frames = std::vector<std::int64_t>;

void take_steps(AdamTrainer& trainer, std::int64_t from, std::int64_t to) {
  for (std::int64_t step = from; step < to; ++step) trainer.step(Frames{step, 39 - step});
  trainer.finish();
}

bool same_bits(const SignalGnn& a, const SignalGnn& b) {
  return a.connectivity.equal(b.connectivity) && a.embedding.equal(b.embedding) &&
         a.psi.parameters().equal(b.psi.parameters()) && a.phi.parameters().equal(b.phi.parameters());
}

TEST_F(AdamTraining, AnEpochBeginsWithFreshMoments) {
  TrainingConfig config = config_of(100, 2);
  AdamTrainer never = trainer(config);
  take_steps(never, 0, 12);
  // The second trainer goes on with the first one's network, its moments at zero.
  AdamTrainer before = trainer(config);
  take_steps(before, 0, 6);
  AdamTrainer after = trainer(config, before.model());
  take_steps(after, 6, 12);
  config.epoch_steps = 6;
  AdamTrainer epochs = trainer(config);
  take_steps(epochs, 0, 12);

  EXPECT_TRUE(same_bits(epochs.model(), after.model()));
  EXPECT_FALSE(epochs.model().connectivity.equal(never.model().connectivity));
  EXPECT_FALSE(epochs.model().embedding.equal(never.model().embedding));
  EXPECT_FALSE(epochs.model().psi.parameters().equal(never.model().psi.parameters()));
  EXPECT_FALSE(epochs.model().phi.parameters().equal(never.model().phi.parameters()));
}

/// The furthest that any parameter of each tensor goes in one step, over its learning rate. With fresh
/// moments a step of Adam is the learning rate, wherever there is a gradient.
std::vector<double> stride(AdamTrainer& trainer, std::int64_t step, const LearningRateConfig& rate) {
  const SignalGnn& model = trainer.model();
  const std::vector<std::pair<at::Tensor, double>> parts{{model.connectivity, rate.connectivity},
                                                         {model.embedding, rate.embedding},
                                                         {model.psi.parameters(), rate.psi},
                                                         {model.phi.parameters(), rate.phi}};
  std::vector<at::Tensor> before;
  for (const auto& [tensor, learning_rate] : parts) before.push_back(tensor.clone());
  take_steps(trainer, step, step + 1);
  std::vector<double> strides;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const auto& [tensor, learning_rate] = parts[k];
    strides.push_back((tensor - before[k]).abs().max().item<double>() / learning_rate);
  }
  return strides;
}

TEST_F(AdamTraining, LearningRatesFallAlongACosineToTheFinalRate) {
  TrainingConfig config = config_of(40, 2);
  config.epoch_steps = 1;
  config.final_rate = 0.2;
  config.learning_rate = {1e-2, 5e-3, 2e-3, 1e-3};
  AdamTrainer training = trainer(config);
  const auto expect_rate = [&](std::int64_t step, double factor, double tolerance) {
    EXPECT_THAT(stride(training, step, config.learning_rate),
                testing::Each(testing::DoubleNear(factor, tolerance)))
        << "step " << step;
  };
  // To 2e-3: the parameters are float32, of order 1, and the shortest stride is 2e-4.
  expect_rate(0, 1, 2e-3);
  take_steps(training, 1, 20);
  expect_rate(20, 0.6, 2e-3);
  take_steps(training, 21, 39);
  expect_rate(39, 0.2, 4e-3);
}

TEST_F(AdamTraining, LearningRatesStayWithoutAFinalRate) {
  TrainingConfig config = config_of(10, 2);
  config.epoch_steps = 1;
  AdamTrainer training = trainer(config);
  take_steps(training, 0, 9);
  EXPECT_THAT(stride(training, 9, config.learning_rate), testing::Each(testing::DoubleNear(1, 2e-3)));
}

double mean(const std::vector<double>& values, std::size_t first, std::size_t count) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
  return std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(count), 0.0) / static_cast<double>(count);
}

TEST_F(AdamTraining, HistoryTellsOfLossesThatFall) {
  AdamTrainer training = trainer(config_of(200, 4));
  train_unattended(training);
  const LossHistory& history = training.history();
  ASSERT_EQ(history.step.size(), 200U);
  EXPECT_EQ(history.step.front(), 1);
  EXPECT_EQ(history.step.back(), 200);
  ASSERT_EQ(history.total.size(), 200U);
  for (std::size_t k = 0; k < 200; ++k) {
    EXPECT_TRUE(std::isfinite(history.total[k]));
    EXPECT_NEAR(history.total[k], history.data[k] + history.phi_zero[k] + history.psi_monotone[k], 1e-12);
  }
  EXPECT_LT(mean(history.total, 150, 50), 0.75 * mean(history.total, 0, 50));
  EXPECT_LT(mean(history.data, 150, 50), 0.75 * mean(history.data, 0, 50));
}

TEST_F(AdamTraining, HistoryCountsLossesPerNeuron) {
  data.frames.with_derivative = {3};
  AdamTrainer recorded = trainer(config_of(1, 1)), single = trainer(config_of(1, 1));
  train_unattended(recorded);
  const Losses losses = single.step(data.frames.with_derivative);
  EXPECT_DOUBLE_EQ(recorded.history().data.at(0), losses.data / kNeurons);
  EXPECT_DOUBLE_EQ(recorded.history().phi_zero.at(0), losses.phi_zero / kNeurons);
  EXPECT_DOUBLE_EQ(recorded.history().psi_monotone.at(0), losses.psi_monotone / kNeurons);
}

TEST(AdamTrainingAlone, HistoryOfALongTrainingHoldsMeansOverSteps) {
  const auto self = make_self_communicator();
  const ProcessGrid grid(*self, 1);
  const RowPartition partition(kNeurons, 1);
  const auto history_of = [&](std::int64_t steps) {
    AdamTrainer training(host(), grid, Assembly().data(partition, 0),
                         random_network(partition, 0, at::kFloat), config_of(steps, 1), 7);
    train_unattended(training);
    return training.history();
  };
  const LossHistory history = history_of(2003);
  ASSERT_EQ(history.step.size(), 1002U);
  EXPECT_EQ(history.step[0], 2);
  EXPECT_EQ(history.step[1000], 2002);
  EXPECT_EQ(history.step[1001], 2003);
  const std::vector<double> single = history_of(2).total;
  ASSERT_EQ(single.size(), 2U);
  EXPECT_DOUBLE_EQ(history.total[0], (single[0] + single[1]) / 2);
}

TEST_F(AdamTraining, TellsOfItsProgressAtEachStep) {
  std::vector<std::int64_t> done;
  AdamTrainer training = trainer(config_of(5, 2));
  Unattended control([&](const Progress& progress) {
    EXPECT_EQ(progress.stage, "train");
    EXPECT_EQ(progress.total, 5);
    EXPECT_THAT(progress.detail, testing::StartsWith("loss per neuron "));
    done.push_back(progress.done);
  });
  training.train(control, {});
  EXPECT_EQ(done, (std::vector<std::int64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(training.steps_done(), 5);
}

TEST_F(AdamTraining, TellsWhatItFinds) {
  AdamTrainer training = trainer(config_of(5, 2));
  ScriptedControl control([](auto) { return Wish::go_on; });
  training.train(control, {});
  const auto& found = control.measures();
  EXPECT_EQ(found.at("loss/total"), training.history().total);
  EXPECT_EQ(found.at("loss/data"), training.history().data);
  EXPECT_EQ(found.at("loss/phi_zero"), training.history().phi_zero);
  EXPECT_EQ(found.at("loss/psi_monotone"), training.history().psi_monotone);
  const std::vector<double>& norms = found.at("gradient_norm/");
  ASSERT_EQ(norms.size(), 5U);
  for (const double norm : norms) EXPECT_GT(norm, 0);
}

TEST_F(AdamTraining, DrawsOnlyFramesThatHaveADerivative) {
  // Any other frame would make the loss NaN.
  data.frames.with_derivative = {3, 11, 12, 30};
  at::Tensor targets = data.derivative.clone();
  data.derivative.fill_(std::numeric_limits<float>::quiet_NaN());
  for (const std::int64_t frame : data.frames.with_derivative) data.derivative[frame].copy_(targets[frame]);
  AdamTrainer training = trainer(config_of(50, 4));
  EXPECT_NO_THROW(train_unattended(training));
}

TEST_F(AdamTraining, ABatchThatTheReplicasCannotShareIsRefused) {
  const int replicas = test_world().size();
  if (replicas == 1) GTEST_SKIP() << "one replica takes any batch";
  const ProcessGrid grid(test_world(), replicas);
  const RowPartition partition(kNeurons, 1);
  const TrainingData all = Assembly().data(partition, 0);
  expect_user_error(
      [&] {
        AdamTrainer(host(), grid, all, random_network(partition, 0, at::kFloat), config_of(5, replicas + 1),
                    7);
      },
      {"training.batch_size: " + std::to_string(replicas + 1),
       "a multiple of training.replicas = " + std::to_string(replicas)});
}

TEST_F(AdamTraining, ALearningRateFarTooHighEndsItOnAllRanks) {
  TrainingConfig config = config_of(50, 2);
  config.learning_rate.connectivity = 1e30;
  AdamTrainer training = trainer(config);
  expect_user_error([&] { train_unattended(training); },
                    {"training, step 2: the loss became", "a finite loss", "lower training.learning_rate"});
}

TEST_F(AdamTraining, ANotANumberOfOneRankEndsItOnAllRanks) {
  if (grid_.shard() == grid_.shards() - 1) {
    data.derivative.select(1, 0).fill_(std::numeric_limits<float>::quiet_NaN());
  }
  AdamTrainer training = trainer(config_of(50, 2));
  expect_user_error([&] { train_unattended(training); }, {"training, step 1: the loss became nan"});
}

TEST_F(AdamTraining, ArraysAreThoseThatASavedNetworkIsReadFrom) {
  const TemporaryFolder folder(test_world());
  AdamTrainer training = trainer(config_of(5, 2));
  train_unattended(training);
  const ModelArrays arrays = training.arrays();
  save_checkpoint(grid_.rows(), folder.path(), {training.steps_done(), kNeurons, "adam", "cafe", "0.1.0"},
                  partition_, arrays.rows, arrays.common);
  test_world().barrier();
  const Checkpoint checkpoint(latest_checkpoint(folder.path()));
  EXPECT_TRUE(same_bits(load_signal_gnn(checkpoint, partition_, grid_.shard()), training.model()));
}

TEST_F(AdamTraining, ArraysHaveTheShapesOfWhatTheyHold) {
  AdamTrainer training = trainer(config_of(5, 2));
  train_unattended(training);
  const std::int64_t rows = partition_.size(grid_.shard());
  using Shapes = std::map<std::string, std::vector<std::int64_t>>;
  const auto shapes_of = [](const std::vector<ArrayView>& arrays) {
    Shapes shapes;
    for (const ArrayView& array : arrays) shapes[array.name] = array.shape;
    return shapes;
  };
  EXPECT_EQ(shapes_of(training.arrays().rows), (Shapes{{"connectivity", {rows, kNeurons}},
                                                       {"embedding", {rows, 2}},
                                                       {"adam/connectivity/first_moment", {rows, kNeurons}},
                                                       {"adam/connectivity/second_moment", {rows, kNeurons}},
                                                       {"adam/embedding/first_moment", {rows, 2}},
                                                       {"adam/embedding/second_moment", {rows, 2}}}));
  Shapes common{{"history/step", {5}},
                {"history/loss_total", {5}},
                {"history/loss_data", {5}},
                {"history/loss_phi_zero", {5}},
                {"history/loss_psi_monotone", {5}}};
  for (const auto& [mlp, inputs] : {std::pair("psi", 1L), std::pair("phi", 3L)}) {
    const std::string name = mlp;
    const std::int64_t parameters = 64 * inputs + 64 + 64 * 64 + 64 + 64 + 1;
    common.insert({{name + "/weight0", {64, inputs}},
                   {name + "/bias0", {64}},
                   {name + "/weight1", {64, 64}},
                   {name + "/bias1", {64}},
                   {name + "/weight2", {1, 64}},
                   {name + "/bias2", {1}},
                   {"adam/" + name + "/first_moment", {parameters}},
                   {"adam/" + name + "/second_moment", {parameters}}});
  }
  EXPECT_EQ(shapes_of(training.arrays().common), common);
}

}  // namespace
}  // namespace weft
