#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "weft/comm/process_grid.hpp"
#include "weft/train/adam_trainer.hpp"

#include "dense_libtorch.hpp"
#include "machine.hpp"
#include "made_up_data.hpp"

namespace weft {
namespace {

/// A step of a training that runs, from one look at the losses to another: the first steps, which record what
/// the others repeat, are left out.
void gradient_step(benchmark::State& state, const Machine& machine, std::int64_t batch) {
  using Clock = std::chrono::steady_clock;
  const std::int64_t neurons = state.range(0);
  const ProcessGrid grid(*machine.world, 1);
  TrainingConfig config;
  config.batch_size = batch;
  const std::int64_t work = machine.is_host() ? 1'000'000'000 : 40'000'000'000;
  const std::int64_t first = machine.is_host() ? 1 : 32;
  config.steps = first + std::clamp<std::int64_t>(work / (neurons * neurons), 4, 2000);
  for (auto unused : state) {
    AdamTrainer trainer(*machine.device, grid, made_up_data(neurons),
                        SignalGnn::initial(RowPartition(neurons, 1), 0, 1, at::kFloat), config, 1);
    Clock::time_point start, end;
    std::int64_t begun = 0;
    Unattended control([&](const Progress& progress) {
      end = Clock::now();
      if (begun > 0 || progress.done < first) return;
      begun = progress.done;
      start = end;
    });
    trainer.train(control, {});
    state.SetIterationTime(std::chrono::duration<double>(end - start).count() /
                           static_cast<double>(config.steps - begun));
  }
  const double entries = static_cast<double>(neurons * neurons);
  set_floor(state, machine, 28 * entries, 24 * entries);
}

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

void register_case(const Machine& machine, const std::string& name, std::int64_t batch,
                   const std::vector<std::int64_t>& sizes) {
  auto* const added = benchmark::RegisterBenchmark(
      (name + machine.suffix).c_str(),
      [&machine, batch](benchmark::State& state) { gradient_step(state, machine, batch); });
  for (const std::int64_t neurons : sizes) added->Arg(neurons);
  added->UseManualTime()->Iterations(3)->Unit(benchmark::kMillisecond);
}

}  // namespace

void register_training_cases(const Machine& machine) {
  if (machine.is_host()) {
    register_case(machine, "GradientStep", 1, {64, 1000, 2000, 8000});
    register_case(machine, "GradientStepBatch8", 8, {1000, 8000});
  } else {
    register_case(machine, "GradientStep", 1, {64, 1000, 8000, 32000});
    register_case(machine, "GradientStepBatch8", 8, {1000, 8000, 32000});
  }
}

void register_dense_libtorch_cases() {
  for (auto* const added : {benchmark::RegisterBenchmark("PlainLibTorchStep", PlainLibTorchStep),
                            benchmark::RegisterBenchmark("FusedLibTorchStep", FusedLibTorchStep)}) {
    for (const std::int64_t neurons : {64, 1000, 2000, 8000}) added->Arg(neurons);
    added->UseRealTime()->Unit(benchmark::kMillisecond);
  }
}

}  // namespace weft
