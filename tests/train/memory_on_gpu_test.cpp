// What a stage is said to need of a GPU's memory, against what it takes.
//
// The reading is that of the driver, between steps. `Device::description` first gives back what LibTorch's
// pool holds for nobody: of what is taken and left again, only the memory that a CUDA graph keeps is seen.

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include "weft/model/tensor_kernels.hpp"
#include "weft/sim/simulator.hpp"
#include "weft/train/adam_trainer.hpp"
#include "weft/train/memory_needs.hpp"
#include "weft/train/tensor_buffer.hpp"

#include "support/device_under_test.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 8000;
constexpr std::int64_t kLibraryBytes = std::int64_t{128} << 20;  // the allowance of a training's need

/// The most memory that was taken since this was made, of all readings.
class TakenMemory {
 public:
  void read() { most_ = std::max(most_, free_before_ - free_bytes()); }
  double bytes() const { return static_cast<double>(most_); }

 private:
  static std::int64_t free_bytes() { return device_under_test().description().free_bytes; }

  std::int64_t free_before_ = free_bytes();
  std::int64_t most_ = 0;
};

/// What a communicator takes at its first collective is no part of a need.
void warm_up(Communicator& world) {
  at::Tensor number = at::zeros({1}, at::TensorOptions(at::kFloat).device(torch_device(device_under_test())));
  world.all_reduce(buffer_of(number), Reduction::sum).wait();
}

TEST(MemoryOnGpu, OfTheSimulationIsAsPredicted) {
  SimulationConfig config;
  config.neurons = kNeurons;
  config.burn_in = 0;
  config.frames = 600;  // more than a block
  const auto need = static_cast<double>(simulation_need(config, 1).with_data);
  warm_up(device_world());

  TakenMemory taken;
  Simulator simulator(device_under_test(), device_world(), config, 11);
  Unattended control([&](const Progress&) { taken.read(); });
  simulator.run([](auto, auto, auto) {}, control);
  EXPECT_NEAR(taken.bytes(), need, 0.1 * need);
}

/// Bytes of a step's own tensors, which a need counts twice: for the step that is taken by itself, and for
/// the recorded one. A batch of twice as many frames has one more of both, and of little else.
double step_bytes(TrainingConfig config, const DataSize& data) {
  const std::int64_t once = training_need(config, data, 1).with_data;
  config.batch_size *= 2;
  return static_cast<double>(training_need(config, data, 1).with_data - once) / 2;
}

TrainingData made_up_data(std::int64_t frames) {
  TrainingData data{
      RowPartition(kNeurons, 1), 0, at::randn({frames, kNeurons}), at::randn({frames, kNeurons}), {}};
  data.frames.total = frames;
  data.frames.with_derivative.resize(static_cast<std::size_t>(frames));
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  return data;
}

TEST(MemoryOnGpu, OfTheGradientTrainingIsAsPredicted) {
  const DataSize size{kNeurons, 64, 64, 1};
  TrainingConfig config;
  config.method = TrainingMethod::adam;
  config.batch_size = 8;
  config.steps = 64;
  const ProcessGrid grid(device_world(), 1);
  warm_up(grid.world());

  TakenMemory taken;
  AdamTrainer trainer(device_under_test(), grid, made_up_data(size.frames),
                      SignalGnn::initial(RowPartition(kNeurons, 1), 0, 3, at::kFloat), config, 7);
  Unattended control([&](const Progress&) { taken.read(); });
  trainer.train(control, {});
  ASSERT_GT(trainer.recorded_operations(), 0U);

  // What the step by itself took is back by the first reading.
  const double seen =
      static_cast<double>(training_need(config, size, 1).with_data) - step_bytes(config, size);
  EXPECT_GE(taken.bytes(), 0.9 * (seen - kLibraryBytes));
  EXPECT_LE(taken.bytes(), seen);
}

}  // namespace
}  // namespace weft
