// The gradient training on a device whose memory the host cannot touch, held against the one on the host.

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "weft/core/error.hpp"
#include "weft/train/adam_trainer.hpp"

#include "assembly.hpp"
#include "saved_training.hpp"
#include "support/device_under_test.hpp"
#include "support/device_with_room.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"
#include "support/scripted_control.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = Assembly::neurons;
constexpr std::int64_t kWindow = kDeviceWindow;

TrainingConfig config_of(std::int64_t steps, std::int64_t batch) {
  TrainingConfig config;
  config.steps = steps;
  config.batch_size = batch;
  config.final_rate = 0.3;
  config.learning_rate = {1e-2, 5e-3, 1e-3, 1e-3};
  config.loss = {1, 10, 0.01, 0.02};
  return config;
}

/// What a training ends in, on the host.
struct Trained {
  SignalGnn model;
  LossHistory history;
  std::size_t operations;
  double gradient_norm;  ///< of the last step
};

Trained train(Device& device, Communicator& world, int replicas, at::ScalarType type,
              const TrainingConfig& config) {
  const ProcessGrid grid(world, replicas);
  const RowPartition partition(kNeurons, grid.shards());
  AdamTrainer trainer(device, grid, Assembly().data(partition, grid.shard()),
                      random_network(partition, grid.shard(), type), config, 7);
  ScriptedControl control([](auto) { return Wish::go_on; });
  trainer.train(control, {});
  return {trainer.model().to(at::kCPU), trainer.history(), trainer.recorded_operations(),
          control.measures().at("gradient_norm/").back()};
}

void expect_near(const SignalGnn& a, const SignalGnn& b, double tolerance) {
  const auto distance = [](const at::Tensor& one, const at::Tensor& other) {
    return (one - other).abs().max().item<double>();
  };
  EXPECT_LE(distance(a.connectivity, b.connectivity), tolerance);
  EXPECT_LE(distance(a.embedding, b.embedding), tolerance);
  EXPECT_LE(distance(a.psi.parameters(), b.psi.parameters()), tolerance);
  EXPECT_LE(distance(a.phi.parameters(), b.phi.parameters()), tolerance);
}

void expect_same_bits(const SignalGnn& a, const SignalGnn& b) {
  EXPECT_TRUE(a.connectivity.equal(b.connectivity));
  EXPECT_TRUE(a.embedding.equal(b.embedding));
  EXPECT_TRUE(a.psi.parameters().equal(b.psi.parameters()));
  EXPECT_TRUE(a.phi.parameters().equal(b.phi.parameters()));
}

class TrainingOnDevice : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (test_world().size() % GetParam() != 0) GTEST_SKIP() << "these ranks cannot be split so";
  }
};

TEST_P(TrainingOnDevice, IsThatOfTheHost) {
  // More than a window, and an epoch that ends within one.
  TrainingConfig config = config_of(kWindow + 9, 4);
  config.epoch_steps = 12;
  const Trained host_s = train(host(), test_world(), GetParam(), at::kDouble, config);
  const Trained device_s = train(device_under_test(), device_world(), GetParam(), at::kDouble, config);
  expect_near(device_s.model, host_s.model, 1e-9);
  EXPECT_EQ(device_s.history.step, host_s.history.step);
  EXPECT_THAT(device_s.history.total, testing::Pointwise(testing::DoubleNear(1e-9), host_s.history.total));
  EXPECT_NEAR(device_s.gradient_norm, host_s.gradient_norm, 1e-9 * host_s.gradient_norm);
  EXPECT_GT(device_s.operations, 20U);
}

/// Looks after steps 12, 16 and 24, where a training may be saved, and at the end.
TrainingConfig with_epochs() {
  TrainingConfig config = config_of(kWindow + 11, 12);
  config.epoch_steps = 12;
  return config;
}

class SavedOnDevice : public TrainingOnDevice {};

TEST_P(SavedOnDevice, StatesChangeNoBitAndAreGoneOnFrom) {
  const TemporaryFolder folder(test_world());
  DeviceWithRoom full(0);
  const Job resident(device_under_test(), device_world(), GetParam(), folder.path());
  const Job streamed(full, device_world(), GetParam(), folder.path());
  const TrainingConfig config = with_epochs();
  AdamTrainer training = resident.trainer(config);
  ScriptedControl control([](std::int64_t) { return Wish::checkpoint; });
  std::vector<std::int64_t> saved;
  training.train(control, [&](std::int64_t step, const ModelArrays& state) {
    saved.push_back(step);
    resident.save()(step, state);
  });
  EXPECT_EQ(saved, (std::vector<std::int64_t>{12, 16, 24}));
  EXPECT_GT(training.recorded_operations(), 20U);
  const Bits expected = bits_of(training.arrays());
  EXPECT_THAT(differences(resident.bits_of_uninterrupted(config), expected), testing::IsEmpty());
  // Within a window those that stream begin in the middle of their ring.
  EXPECT_THAT(differences(streamed.bits_of_resumed(config, 12), expected), testing::IsEmpty());
  EXPECT_THAT(differences(resident.bits_of_resumed(config, 24), expected), testing::IsEmpty());
  // The trainer that has run on goes back.
  training.resume(saved_at(folder.path(), 16));
  train_unattended(training);
  EXPECT_THAT(differences(bits_of(training.arrays()), expected), testing::IsEmpty());
}

TEST_P(SavedOnDevice, TheWishOfOneRankStopsAllAtTheSameStep) {
  const bool wishes = test_world().rank() == test_world().size() - 1;
  ScriptedControl control([&](std::int64_t poll) { return wishes && poll == 2 ? Wish::stop : Wish::go_on; });
  const Job job(device_under_test(), device_world(), GetParam());
  AdamTrainer training = job.trainer(with_epochs());
  std::int64_t saved = 0;
  EXPECT_THROW(training.train(control, [&](std::int64_t step, const ModelArrays&) { saved = step; }),
               Stopped);
  EXPECT_EQ(saved, 24);
}

TEST_P(SavedOnDevice, RewindsHalveTheRatesUntilItConverges) {
  const TemporaryFolder folder(test_world());
  const Job job(device_under_test(), device_world(), GetParam(), folder.path());
  AdamTrainer training = job.trainer(made_wild(with_epochs()));
  Unattended nobody;
  EXPECT_THROW(training.train(nobody, job.save()), DivergedError);
  for (int k = 0; k < 100; ++k) ASSERT_TRUE(training.rewind(saved_at(folder.path(), 0)));
  training.train(nobody, job.save());
  EXPECT_THAT(differences(bits_of(training.arrays()), job.bits_of_uninterrupted(with_epochs())),
              testing::IsEmpty());
}

TEST_P(SavedOnDevice, GoesOnFromAStateOfTheHost) {
  const TemporaryFolder folder(test_world());
  const Job here(host(), test_world(), GetParam(), folder.path()),
      there(device_under_test(), device_world(), GetParam(), folder.path());
  AdamTrainer first = here.trainer(with_epochs(), at::kDouble);
  stop_after(first, 7, here.save());
  AdamTrainer second = there.trainer(with_epochs(), at::kDouble);
  second.resume(saved_at(folder.path(), 7));
  train_unattended(second);
  AdamTrainer whole = here.trainer(with_epochs(), at::kDouble);
  train_unattended(whole);
  expect_near(second.model().to(at::kCPU), whole.model(), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Replicas, TrainingOnDevice, testing::Values(1, 2, 4));
INSTANTIATE_TEST_SUITE_P(Replicas, SavedOnDevice, testing::Values(1, 2));

TEST(TrainingOnFullDevice, StreamsWhatItsMemoryCannotHold) {
  const TrainingConfig config = config_of(2 * kWindow + 3, 1);
  DeviceWithRoom full(0);
  const Trained resident = train(device_under_test(), device_world(), 1, at::kFloat, config);
  const Trained streamed = train(full, device_world(), 1, at::kFloat, config);
  expect_same_bits(streamed.model, resident.model);
  EXPECT_EQ(streamed.history.total, resident.history.total);
}

/// All ranks as shards of one replica.
class StepOnDevice : public testing::Test {
 protected:
  AdamTrainer trainer(Device& device, const ProcessGrid& grid, const TrainingConfig& config) const {
    return {device, grid, data, random_network(partition_, grid.shard(), at::kFloat), config, 7};
  }

  ProcessGrid grid_{device_world(), 1};
  RowPartition partition_{kNeurons, grid_.shards()};
  TrainingData data = Assembly().data(partition_, grid_.shard());
};

TEST_F(StepOnDevice, TakesTheFramesThatItIsGiven) {
  const ProcessGrid host_grid(test_world(), 1);
  DeviceWithRoom full(0);
  AdamTrainer there = trainer(device_under_test(), grid_, config_of(10, 2));
  AdamTrainer streamed = trainer(full, grid_, config_of(10, 2));
  AdamTrainer here = trainer(host(), host_grid, config_of(10, 2));
  for (std::int64_t step = 0; step < 3; ++step) {
    const std::vector<std::int64_t> frames{step, 39 - step};
    const double expected = here.step(frames).total();
    EXPECT_NEAR(there.step(frames).total(), expected, 1e-5 * expected);
    EXPECT_NEAR(streamed.step(frames).total(), expected, 1e-5 * expected);
  }
}

TEST_F(StepOnDevice, ArraysAreReadOnTheHost) {
  AdamTrainer training = trainer(device_under_test(), grid_, config_of(3, 2));
  train_unattended(training);
  const SignalGnn model = training.model().to(at::kCPU);
  const ModelArrays arrays = training.arrays();
  const auto values = std::get<std::span<const float>>(arrays.rows.front().values);
  ASSERT_EQ(arrays.rows.front().name, "connectivity");
  EXPECT_THAT(values, testing::ElementsAreArray(model.connectivity.const_data_ptr<float>(),
                                                static_cast<std::size_t>(model.connectivity.numel())));
}

TEST_F(StepOnDevice, ANotANumberIsFoundWithItsStepAndTerm) {
  TrainingConfig config = config_of(50, 1);
  config.learning_rate.connectivity = 1e30;
  AdamTrainer wild = trainer(device_under_test(), grid_, config);
  expect_user_error([&] { train_unattended(wild); },
                    {"training, step 2: the loss became", "the residual", "lower training.learning_rate"});
  EXPECT_LE(wild.steps_done(), kWindow);

  if (grid_.shard() == grid_.shards() - 1)
    data.derivative.select(1, 0).fill_(std::numeric_limits<float>::quiet_NaN());
  AdamTrainer training = trainer(device_under_test(), grid_, config_of(50, 1));
  expect_user_error([&] { train_unattended(training); },
                    {"training, step 1: the loss became nan (the residual)"});
}

}  // namespace
}  // namespace weft
