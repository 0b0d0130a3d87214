#include <numeric>
#include <vector>

#include <benchmark/benchmark.h>

#include <ATen/ops/randn.h>

#include "weft/comm/process_grid.hpp"
#include "weft/train/adam_trainer.hpp"

#include "dense_libtorch.hpp"
#include "floor.hpp"
#include "support/host.hpp"

namespace weft {
namespace {

constexpr std::int64_t kFrames = 64;

/// Activity as it looks (standard deviation 8), targets likewise; the time of a step does not depend on the
/// values.
TrainingData made_up_data(std::int64_t neurons) {
  TrainingData data{RowPartition(neurons, 1),
                    0,
                    at::randn({kFrames, neurons}).mul_(8),
                    at::randn({kFrames, neurons}).mul_(10),
                    {},
                    13};
  data.frames.with_derivative.resize(kFrames);
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  return data;
}

void gradient_step(benchmark::State& state, std::int64_t batch) {
  const std::int64_t neurons = state.range(0);
  const auto self = make_self_communicator();
  const ProcessGrid grid(*self, 1);
  TrainingConfig config;
  config.batch_size = batch;
  AdamTrainer trainer(host(), grid, made_up_data(neurons),
                      SignalGnn::initial(RowPartition(neurons, 1), 0, 1, at::kFloat), config, 1);
  std::vector<std::int64_t> frames(static_cast<std::size_t>(batch));
  std::iota(frames.begin(), frames.end(), 0);
  trainer.step(frames);
  for (auto unused : state) benchmark::DoNotOptimize(trainer.step(frames).data);
  const double entries = static_cast<double>(neurons * neurons);
  set_floor(state, 28 * entries, 24 * entries);
}

void GradientStep(benchmark::State& state) { gradient_step(state, 1); }
void GradientStepBatch8(benchmark::State& state) { gradient_step(state, 8); }

template <typename Optimiser>
void dense_libtorch_step(benchmark::State& state) {
  const std::int64_t neurons = state.range(0);
  const TrainingData data = made_up_data(neurons);
  DenseLibTorch<Optimiser> trainer(neurons);
  const at::Tensor x = data.activity.narrow(0, 0, 1), y = data.derivative.narrow(0, 0, 1);
  trainer.step(x, y);
  for (auto unused : state) benchmark::DoNotOptimize(trainer.step(x, y));
}

void PlainLibTorchStep(benchmark::State& state) { dense_libtorch_step<PlainAdam>(state); }
void FusedLibTorchStep(benchmark::State& state) { dense_libtorch_step<FusedAdam>(state); }

BENCHMARK(GradientStep)
    ->Arg(64)
    ->Arg(1000)
    ->Arg(2000)
    ->Arg(8000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(GradientStepBatch8)->Arg(1000)->Arg(8000)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(PlainLibTorchStep)
    ->Arg(64)
    ->Arg(1000)
    ->Arg(2000)
    ->Arg(8000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(FusedLibTorchStep)
    ->Arg(64)
    ->Arg(1000)
    ->Arg(2000)
    ->Arg(8000)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft
