#include "weft/kernels/simulation_step.hpp"

#include <algorithm>
#include <memory>

#include "kernels/simulation_element.hpp"

namespace weft {
namespace {

// Below this many elements, waking the other threads costs more than the tanh and the normal draw of all.
constexpr std::int64_t kWorthThreads = 512;

/// Neuron `row` of a trajectory, whose input is known.
void finish_neuron(const SimulationStep& step, std::int64_t trajectory, std::int64_t row, float input) {
  const SimulationCounter now = *step.counter;
  const std::int64_t own = step.w.rows;
  const std::int64_t at = trajectory * own + row;
  const std::int64_t item = trajectory * step.w.columns + step.first_row + row;
  const float x = step.x[at];
  const float noise = step.deviation == 0 ? 0.0F
                                          : step_noise(step.random, now.step,
                                                       static_cast<std::uint64_t>(item), step.deviation);
  const NeuronConstants neuron{step.gain[row], step.self_coupling[row], step.decay[row]};
  const SteppedNeuron next =
      step_neuron(neuron, x, step.tanh_all[item], input, static_cast<float>(step.dt), noise);
  if (step.frames.activity != nullptr) {
    const std::int64_t to = (trajectory * step.frames.capacity + now.frame) * own + row;
    step.frames.activity[to] = x;
    step.frames.derivative[to] = next.derivative;
  }
  step.x[at] = next.x;
  step.tanh_next[trajectory * step.tanh_stride + row] = next.tanh_x;
}

}  // namespace

void simulation_step(const SimulationStep& step) {
  const std::int64_t own = step.w.rows;
  const std::int64_t count = step.trajectories * own;
  const std::unique_ptr<float[]> input(new float[static_cast<std::size_t>(count)]);
  row_product(step.w, step.tanh_all, step.trajectories, input.get());
#pragma omp parallel for schedule(static) if (count >= kWorthThreads)
  for (std::int64_t k = 0; k < count; ++k) finish_neuron(step, k / own, k % own, input[k]);
}

void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                         std::int64_t trajectories, std::int64_t neurons, float* tanh_all) {
  for (int rank = 0; rank < ranks; ++rank) {
    const std::int64_t own = begins[rank + 1] - begins[rank];
    for (std::int64_t s = 0; s < trajectories; ++s, gathered += own)
      std::copy_n(gathered, own, tanh_all + s * neurons + begins[rank]);
  }
}

}  // namespace weft
