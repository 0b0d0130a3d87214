#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "weft/sim/simulator.hpp"

#include "machine.hpp"

namespace weft {
namespace {

/// One step of the simulator with `trajectories` runs side by side, the making of W left out. Each iteration
/// is a whole run; its time is divided by its steps.
void simulator_step(benchmark::State& state, const Machine& machine, std::int64_t trajectories) {
  const std::int64_t neurons = state.range(0);
  SimulationConfig config;
  config.neurons = neurons;
  config.types.assign(4, NeuronTypeConfig{});
  config.trajectories = trajectories;
  config.burn_in = 0;
  const std::int64_t work = machine.is_host() ? 400'000'000 : 40'000'000'000;
  config.frames = std::clamp<std::int64_t>(work / (neurons * neurons), 20, 2000);
  Simulator simulator(*machine.device, *machine.world, config, 1);
  float seen = 0;
  const FrameSink sink = [&](std::int64_t, std::span<const float> activity, std::span<const float>) {
    seen += activity.front();
  };
  Unattended unattended;
  for (auto unused : state) {
    const auto start = std::chrono::steady_clock::now();
    simulator.run(sink, unattended);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state.SetIterationTime(seconds / static_cast<double>(config.frames));
  }
  benchmark::DoNotOptimize(seen);
  set_floor(state, machine, 4.0 * static_cast<double>(neurons * neurons), 0);
}

void register_case(const Machine& machine, const std::string& name, std::int64_t trajectories,
                   const std::vector<std::int64_t>& sizes) {
  auto* const added = benchmark::RegisterBenchmark(
      (name + machine.suffix).c_str(),
      [&machine, trajectories](benchmark::State& state) { simulator_step(state, machine, trajectories); });
  for (const std::int64_t neurons : sizes) added->Arg(neurons);
  added->UseManualTime()->Iterations(5)->Unit(benchmark::kMillisecond);
}

}  // namespace

void register_simulator_cases(const Machine& machine) {
  if (machine.is_host()) {
    register_case(machine, "SimulatorStep", 1, {64, 1000, 2000, 8000});
    register_case(machine, "SimulatorStep8Trajectories", 8, {1000, 8000});
  } else {
    register_case(machine, "SimulatorStep", 1, {64, 1000, 8000, 32000});
    register_case(machine, "SimulatorStep8Trajectories", 8, {1000, 8000, 32000});
  }
}

}  // namespace weft
