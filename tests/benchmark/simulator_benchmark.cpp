#include <algorithm>
#include <chrono>

#include <benchmark/benchmark.h>

#include "weft/comm/communicator.hpp"
#include "weft/sim/simulator.hpp"

#include "floor.hpp"

namespace weft {
namespace {

/// One step of the simulator with `trajectories` runs side by side, the making of W left out.
void simulator_step(benchmark::State& state, std::int64_t trajectories) {
  const auto self = make_self_communicator();
  const std::int64_t neurons = state.range(0);
  SimulationConfig config;
  config.neurons = neurons;
  config.types.assign(4, NeuronTypeConfig{});
  config.trajectories = trajectories;
  config.burn_in = 0;
  config.frames = std::clamp<std::int64_t>(400'000'000 / (neurons * neurons), 20, 2000);
  Simulator simulator(*self, config, 1);
  float seen = 0;
  const FrameSink sink = [&](std::int64_t, std::span<const float> activity, std::span<const float>) {
    seen += activity.front();
  };
  for (auto unused : state) {
    const auto start = std::chrono::steady_clock::now();
    simulator.run(sink);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state.SetIterationTime(seconds / static_cast<double>(config.frames));
  }
  benchmark::DoNotOptimize(seen);
  set_floor(state, 4.0 * static_cast<double>(neurons * neurons), 0);
}

void SimulatorStep(benchmark::State& state) { simulator_step(state, 1); }
void SimulatorStep8Trajectories(benchmark::State& state) { simulator_step(state, 8); }

// Each iteration is a whole run; its time is divided by its steps.
BENCHMARK(SimulatorStep)
    ->Arg(64)
    ->Arg(1000)
    ->Arg(2000)
    ->Arg(8000)
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(SimulatorStep8Trajectories)
    ->Arg(1000)
    ->Arg(8000)
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft
