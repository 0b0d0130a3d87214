#include "weft/kernels/simulation_step.hpp"

#include <algorithm>
#include <memory>

#include "kernels/simulation_element.hpp"

namespace weft {
namespace {

// Below this many elements, waking the other threads costs more than the tanh and the normal draw of all.
constexpr std::int64_t kWorthThreads = 512;

/// Some neighbours of a trajectory. Their noise is drawn before the first is stepped: by turns, each would
/// wait for the logarithms and cosines of its own.
constexpr std::int64_t kTile = 16;

/// Neurons [first, end) of a trajectory, kTile at most, whose input is known.
void finish_tile(const SimulationStep& step, std::int64_t trajectory, std::int64_t first, std::int64_t end,
                 const float* input) {
  const SimulationCounter now = *step.counter;
  const std::int64_t own = step.w.rows;
  const std::int64_t item = trajectory * step.w.columns + step.first_row;
  float noise[kTile] = {};
  for (std::int64_t row = first; row < end && step.deviation != 0; ++row)
    noise[row - first] =
        step_noise(step.random, now.step, static_cast<std::uint64_t>(item + row), step.deviation);

  const float* const tanh_x = step.tanh_all + item;
  float* const x = step.x + trajectory * own;
  float* const tanh_next = step.tanh_next + trajectory * step.tanh_stride;
  const std::int64_t frame = (trajectory * step.frames.capacity + now.frame) * own;
  for (std::int64_t row = first; row < end; ++row) {
    const NeuronConstants neuron{step.gain[row], step.self_coupling[row], step.decay[row]};
    const SteppedNeuron next =
        step_neuron(neuron, x[row], tanh_x[row], input[row], static_cast<float>(step.dt), noise[row - first]);
    step.frames.activity[frame + row] = x[row];
    step.frames.derivative[frame + row] = next.derivative;
    x[row] = next.x;
    tanh_next[row] = next.tanh_x;
  }
}

}  // namespace

void simulation_step(const SimulationStep& step) {
  const std::int64_t own = step.w.rows;
  const std::int64_t count = step.trajectories * own;
  const std::unique_ptr<float[]> input(new float[static_cast<std::size_t>(count)]);
  row_product(step.w, step.tanh_all, step.trajectories, input.get());
#pragma omp parallel for collapse(2) schedule(static) if (count >= kWorthThreads)
  for (std::int64_t s = 0; s < step.trajectories; ++s)
    for (std::int64_t first = 0; first < own; first += kTile)
      finish_tile(step, s, first, std::min(first + kTile, own), input.get() + s * own);
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
