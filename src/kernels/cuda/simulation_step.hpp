#pragma once

#include <cstdint>

#include "weft/kernels/simulation_step.hpp"

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

// A step of the simulator on data in device memory, in the order of `stream`. All pointers, those inside the
// arguments among them, are to device memory.

/// Records x and f(x), then x <- (x + dt f(x)) + noise and its tanh, for S trajectories of the own neurons.
/// The sum over the presynaptic neurons has one fixed order, which depends on N alone; all else is that of
/// kernels/simulation_element.hpp. W is read once for each 8 trajectories.
void simulation_step(const SimulationStep& step, cudaStream_t stream);
/// With 1, 2, 4 or 8 rows of W to a warp, which changes the speed alone.
void simulation_step(const SimulationStep& step, int rows_per_warp, cudaStream_t stream);

void set_counter(SimulationCounter* counter, SimulationCounter value, cudaStream_t stream);
/// On to the next step and frame.
void advance_counter(SimulationCounter* counter, cudaStream_t stream);

/// tanh_all (S x N) from what was gathered: the ranks' (S x own) blocks, in rank order. `begins`, in device
/// memory, has the first neuron of each rank, then N.
void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                         std::int64_t trajectories, std::int64_t neurons, float* tanh_all,
                         cudaStream_t stream);

}  // namespace weft::cuda
