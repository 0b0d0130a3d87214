#include <chrono>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "weft/comm/process_grid.hpp"
#include "weft/core/phase.hpp"
#include "weft/ops/run_metrics.hpp"
#include "weft/train/adam_trainer.hpp"

#include "machine.hpp"
#include "made_up_data.hpp"

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPhasesOfAStep = 12;  // entered, on several ranks
constexpr int kRanks = 64;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Of a run of many ranks, all of which have been heard of.
class BusyRun {
 public:
  BusyRun() {
    for (int rank = 0; rank < kRanks; ++rank) board_->post(rank, {});
  }

  /// All that a step does for them.
  void feed() {
    for (int k = 0; k < kPhasesOfAStep; ++k) {
      const InPhase phase(k % 2 == 0 ? kPhaseForward : kPhaseBackward);
      note_work({1, 1});
    }
    const Measure found[] = {{"loss", "total", 1},
                             {"loss", "data", 1},
                             {"loss", "phi_zero", 1},
                             {"loss", "psi_monotone", 1},
                             {"gradient_norm", "", 1}};
    metrics_.measured(found);
    metrics_.progress({"train", ++steps_, 1'000'000'000, "steps", ""});
    metrics_.checkpoints({}, {});
  }

  double seconds_of_a_feed() {
    constexpr int kTimes = 20'000;
    const auto start = Clock::now();
    for (int k = 0; k < kTimes; ++k) feed();
    return seconds_since(start) / kTimes;
  }

  double seconds_of_a_scrape() const {
    constexpr int kTimes = 200;
    const auto start = Clock::now();
    for (int k = 0; k < kTimes; ++k) benchmark::DoNotOptimize(metrics_.text());
    return seconds_since(start) / kTimes;
  }

 private:
  std::shared_ptr<RankBoard> board_ = std::make_shared<RankBoard>();
  RunMetrics metrics_{{"benchmark", "adam", "", "", "", 0, std::vector<RankSeat>(kRanks)}, board_};
  std::int64_t steps_ = 0;
};

double seconds_of_a_step(const Machine& machine, std::int64_t neurons, std::int64_t steps) {
  const ProcessGrid grid(*machine.world, 1);
  TrainingConfig config;
  config.batch_size = 1;
  config.steps = steps;
  AdamTrainer trainer(*machine.device, grid, made_up_data(neurons),
                      SignalGnn::initial(RowPartition(neurons, 1), 0, 1, at::kFloat), config, 1);
  Unattended control;
  const auto start = Clock::now();
  trainer.train(control, {});
  return seconds_since(start) / static_cast<double>(steps);
}

/// What metrics cost a step: in it, and on the other threads where they are scraped once a second.
void metrics_of_a_step(benchmark::State& state, const Machine& machine) {
  const std::int64_t neurons = state.range(0);
  BusyRun run;
  for (auto unused : state) {
    const double step = seconds_of_a_step(machine, neurons, neurons < 1000 ? 200 : 50);
    const double feed = run.seconds_of_a_feed();
    const double scrape = run.seconds_of_a_scrape();
    state.SetIterationTime(step);
    state.counters["feed_us"] = 1e6 * feed;
    state.counters["feed_percent_of_step"] = 100 * feed / step;
    state.counters["scrape_us"] = 1e6 * scrape;
    state.counters["scrape_percent_each_second"] = 100 * scrape;
  }
}

}  // namespace

void register_metrics_cases(const Machine& machine) {
  benchmark::RegisterBenchmark(("MetricsOfAStep" + machine.suffix).c_str(),
                               [&machine](benchmark::State& state) { metrics_of_a_step(state, machine); })
      ->Arg(64)
      ->Arg(200)
      ->Arg(1000)
      ->Arg(4000)
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

}  // namespace weft
