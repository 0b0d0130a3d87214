#include <algorithm>
#include <numeric>
#include <utility>

#include <benchmark/benchmark.h>

#include <ATen/ops/empty.h>

#include "weft/comm/process_grid.hpp"
#include "weft/sim/simulator.hpp"
#include "weft/train/varpro_solver.hpp"

#include "machine.hpp"

namespace weft {
namespace {

/// The assembly of the paper at another size, with about as many frames for each neuron.
TrainingData simulated_data(const Machine& machine, std::int64_t neurons) {
  SimulationConfig config;
  config.neurons = neurons;
  config.types = {{10, 1, 0.5}, {10, 1, 1}, {10, 2, 0.5}, {10, 2, 1}};
  config.noise = 1;
  config.burn_in = 500;
  config.frames = neurons * 3 / 2 + 500;
  TrainingData data{RowPartition(neurons, 1),
                    0,
                    at::empty({config.frames, neurons}),
                    at::empty({config.frames, neurons}),
                    {},  // frames
                    13};
  Unattended unattended;
  Simulator(*machine.device, *machine.world, config, 1)
      .run(
          [&](std::int64_t first, std::span<const float> activity, std::span<const float> derivative) {
            std::ranges::copy(activity, data.activity.mutable_data_ptr<float>() + first * neurons);
            std::ranges::copy(derivative, data.derivative.mutable_data_ptr<float>() + first * neurons);
          },
          unattended);
  data.frames.total = config.frames;
  data.frames.with_derivative.resize(static_cast<std::size_t>(config.frames));
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  return data;
}

/// The whole solve. Its floor is the time of its matrix products, solves and factorisations at the rate of
/// a large product, measured in the same run.
void closed_form(benchmark::State& state, const Machine& machine) {
  const ProcessGrid grid(*machine.world, 1);
  const TrainingData data = simulated_data(machine, state.range(0));
  double work_s = 0, share = 0, rate = 0;
  for (auto unused : state) {
    VarproSolver solver(*machine.device, grid, data, TrainingConfig{}, {}, 1);
    Unattended nobody;
    solver.train(nobody, {});
    const nlohmann::json findings = solver.findings();
    const nlohmann::json& found = findings.at("solver");
    share = found.at("product_share");
    rate = found.at("product_rate");
    work_s = share * rate * found.at("seconds").get<double>();
  }
  state.counters["floor_ms"] = 1e3 * work_s;
  state.counters["product_share"] = share;
  state.counters["product_rate"] = rate;
}

}  // namespace

void register_closed_form_cases(const Machine& machine) {
  auto* const added =
      benchmark::RegisterBenchmark(("ClosedForm" + machine.suffix).c_str(),
                                   [&machine](benchmark::State& state) { closed_form(state, machine); });
  for (const std::int64_t neurons : {64, 1000, 2000, 4000}) added->Arg(neurons);
  if (!machine.is_host()) added->Arg(8000)->Arg(32000);
  added->Iterations(1)->UseRealTime()->Unit(benchmark::kMillisecond);
}

}  // namespace weft
