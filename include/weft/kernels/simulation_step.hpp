#pragma once

#include <cstdint>

#include "weft/core/philox.hpp"
#include "weft/kernels/row_kernels.hpp"

namespace weft {

/// How far a simulation is. It lies where the kernels' other data do, so that a recorded step can be
/// repeated.
struct SimulationCounter {
  std::uint64_t step = 0;  ///< since x(0): keys the noise
  std::int64_t frame = 0;  ///< of the frame blocks: where the step is recorded
};

/// Where steps are recorded: (S x capacity x own neurons) each.
struct FrameBlocks {
  float* activity = nullptr;
  float* derivative = nullptr;
  std::int64_t capacity = 0;
};

/// One step of the simulator (weft/sim/simulator.hpp) for S trajectories of the neurons that a rank owns.
struct SimulationStep {
  RowBlock<const float> w;               ///< own rows x N; a stride that is a multiple of 4 is read faster
  std::int64_t first_row = 0;            ///< global index of row 0
  std::int64_t trajectories = 0;         ///< S
  const float* gain = nullptr;           ///< g of the own neurons
  const float* self_coupling = nullptr;  ///< s
  const float* decay = nullptr;          ///< c = 1 / tau
  const float* tanh_all = nullptr;       ///< (S x N), of the activity before the step
  float* x = nullptr;                    ///< (S x own), stepped in place
  /// Of the activity after the step, (S x own), trajectories `tanh_stride` apart: another array than
  /// tanh_all, of the own neurons alone (stride own) or of all (stride N, pointer to the first own one).
  float* tanh_next = nullptr;
  std::int64_t tanh_stride = 0;
  double dt = 0;
  double deviation = 0;  ///< of the noise; 0 draws none
  Philox random;         ///< of the noise, keyed by step and by trajectory * N + global row
  const SimulationCounter* counter = nullptr;
  FrameBlocks frames;
};

/// Records x and f(x), then x <- (x + dt f(x)) + noise and its tanh. The sum over the presynaptic neurons is
/// that of row_product; all else is computed neuron by neuron. W is read once. Local.
void simulation_step(const SimulationStep& step);

/// tanh_all (S x N) from what was gathered: the ranks' (S x own) blocks, in rank order. `begins` has the
/// first neuron of each rank, then N. Local.
void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                         std::int64_t trajectories, std::int64_t neurons, float* tanh_all);

}  // namespace weft
