#include <chrono>
#include <filesystem>

#include <benchmark/benchmark.h>

#include "weft/comm/process_grid.hpp"
#include "weft/io/checkpoint_saver.hpp"
#include "weft/train/adam_trainer.hpp"

#include "machine.hpp"
#include "made_up_data.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kInterval = 300;  // [s] from one checkpoint to the next, the default of checkpoint.interval

/// Wishes one checkpoint, early in the training, and publishes it; or none.
class OneCheckpoint final : public RunControl {
 public:
  OneCheckpoint(CheckpointSaver& saver, bool wanted) : saver_(saver), wanted_(wanted) {}
  void progress(const Progress&) override {}
  Votes votes() override { return {.written = saver_.written() ? 1.0 : 0.0}; }
  Wish decide(const Votes& sum) override {
    if (sum.written > 0) saver_.publish();
    return wanted_ && ++steps_ == 2 ? Wish::checkpoint : Wish::go_on;
  }

 private:
  CheckpointSaver& saver_;
  bool wanted_;
  std::int64_t steps_ = 0;
};

/// Seconds of a training of so many steps, with one checkpoint or without.
double train(const Machine& machine, const fs::path& folder, std::int64_t neurons, std::int64_t steps,
             bool saves) {
  const ProcessGrid grid(*machine.world, 1);
  const RowPartition partition(neurons, 1);
  TrainingConfig config;
  config.batch_size = 1;
  config.steps = steps;
  AdamTrainer trainer(*machine.device, grid, made_up_data(neurons),
                      SignalGnn::initial(partition, 0, 1, at::kFloat), config, 1);
  CheckpointSaver saver(*machine.world, folder, partition, {});
  OneCheckpoint control(saver, saves);
  CheckpointInfo info;
  info.neurons = neurons;
  const auto start = Clock::now();
  trainer.train(control, [&](std::int64_t step, const ModelArrays& state) {
    info.step = step;
    saver.start(info, state);
  });
  saver.finish();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What a checkpoint costs a training: the copy, and what the writer's thread takes from the steps.
void checkpointed_training(benchmark::State& state, const Machine& machine) {
  const std::int64_t neurons = state.range(0);
  const fs::path folder = fs::temp_directory_path() / "weft-checkpoint-benchmark";
  const std::int64_t steps = neurons < 1000 ? 20 : 300;
  double with = 0, without = 0;
  std::int64_t rounds = 0;
  for (auto unused : state) {
    without += train(machine, folder, neurons, steps, false);
    const double seconds = train(machine, folder, neurons, steps, true);
    with += seconds;
    ++rounds;
    state.SetIterationTime(seconds);
  }
  fs::remove_all(folder);
  const double cost = (with - without) / static_cast<double>(rounds);
  state.counters["without_s"] = without / static_cast<double>(rounds);
  state.counters["cost_s"] = cost;
  state.counters["cost_percent_each_300_s"] = 100 * cost / kInterval;
}

}  // namespace

void register_checkpoint_cases(const Machine& machine) {
  benchmark::RegisterBenchmark(("CheckpointedTraining" + machine.suffix).c_str(),
                               [&machine](benchmark::State& state) { checkpointed_training(state, machine); })
      ->Arg(64)
      ->Arg(8000)
      ->UseManualTime()
      ->Iterations(3)
      ->Unit(benchmark::kSecond);
}

}  // namespace weft
