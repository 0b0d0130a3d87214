#include <cmath>

#include "kernels/cuda/simulation_step.hpp"
#include "kernels/simulation_element.hpp"

#if defined(__CUDACC__)
#include <cuda_pipeline.h>
#endif

namespace weft::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kVector = 4;                ///< columns of a lane, side by side
constexpr int kSlice = kWarp * kVector;   ///< columns that a warp reads at once
constexpr int kSlices = 4;                ///< of a chunk
constexpr int kChunk = kSlices * kSlice;  ///< columns staged at once
// One and a half for each multiprocessor: rather than fewer, warps take fewer rows and read tanh more often.
constexpr std::int64_t kEnoughBlocks = 200;

/// tanh of a chunk of presynaptic neurons, by trajectory and lane.
template <int Batch>
using Chunk = float4[Batch][kChunk / kVector];

// Copies past the registers, so that a chunk is on its way while the one before is worked on.

/// Zero instead where the number is not there to be read.
__device__ inline void start_copy(float* to, const float* from, bool exists) {
#if defined(__CUDACC__)
  __pipeline_memcpy_async(to, from, sizeof(float), exists ? 0 : sizeof(float));
#else
  *to = exists ? *from : 0;
#endif
}

/// Until this thread's copies have arrived.
__device__ inline void await_copies() {
#if defined(__CUDACC__)
  __pipeline_commit();
  __pipeline_wait_prior(0);
#endif
}

template <int Batch>
__device__ void stage(const SimulationStep& step, std::int64_t trajectory, std::int64_t column,
                      Chunk<Batch>& chunk) {
  const std::int64_t columns = step.w.columns;
  const float* from = step.tanh_all + trajectory * columns + column;
  WEFT_PRAGMA(unroll 1)
  for (int b = 0; b < Batch; ++b, from += columns) {
    float* const to = reinterpret_cast<float*>(chunk[b]);
    for (int k = static_cast<int>(threadIdx.x); k < kChunk; k += kThreads) {
      const bool exists = trajectory + b < step.trajectories && column + k < columns;
      start_copy(to + k, exists ? from + k : step.tanh_all, exists);
    }
  }
}

/// The first `left` of four neighbours of a row, zeros for the others. All ways give a lane the same columns,
/// so that sums have the same order.
template <bool Aligned, bool Whole>
__device__ float4 load(const float* at, int left) {
  if constexpr (Whole && Aligned) {
    return *reinterpret_cast<const float4*>(at);
  } else if constexpr (Whole) {
    return {at[0], at[1], at[2], at[3]};
  } else {
    return {left > 0 ? at[0] : 0, left > 1 ? at[1] : 0, left > 2 ? at[2] : 0, left > 3 ? at[3] : 0};
  }
}

__device__ inline float add_product(float4 w, float4 x, float sum) {
  return std::fma(w.w, x.w, std::fma(w.z, x.z, std::fma(w.y, x.y, std::fma(w.x, x.x, sum))));
}

/// Some rows of W that one warp multiplies; those that are not there read the first one's numbers.
template <int Rows>
struct WarpRows {
  const float* first;
  unsigned offset[Rows];  ///< from the first; half the registers of pointers

  __device__ WarpRows(const float* row, std::int64_t stride, std::int64_t count) : first(row) {
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < Rows; ++r) offset[r] = r < count ? static_cast<unsigned>(r * stride) : 0;
  }
  __device__ const float* at(int r, std::int64_t column) const { return first + column + offset[r]; }
};

/// sums[b * Rows + r] += sum over the lane's columns of the chunk that begins at `column`; Whole: `left`, the
/// columns from there, fill the chunk.
template <int Rows, int Batch, bool Aligned, bool Whole>
__device__ void add_chunk(const WarpRows<Rows>& rows, std::int64_t column, int left, int lane,
                          const Chunk<Batch>& chunk, float (&sums)[Batch * Rows]) {
  constexpr int kAtOnce = Rows == 8 ? 1 : (Rows == 4 ? 2 : 4);  // so many loads are on their way
  WEFT_PRAGMA(unroll 1)
  for (int first = 0; first < kSlices; first += kAtOnce) {
    float4 w[kAtOnce][Rows];
    WEFT_PRAGMA(unroll)
    for (int k = 0; k < kAtOnce; ++k) {
      const int offset = (first + k) * kSlice + lane * kVector;
      WEFT_PRAGMA(unroll)
      for (int r = 0; r < Rows; ++r)
        w[k][r] = load<Aligned, Whole>(rows.at(r, column + offset), left - offset);
    }
    WEFT_PRAGMA(unroll)
    for (int k = 0; k < kAtOnce; ++k) {
      WEFT_PRAGMA(unroll)
      for (int b = 0; b < Batch; ++b) {
        const float4 x = chunk[b][(first + k) * kWarp + lane];
        WEFT_PRAGMA(unroll)
        for (int r = 0; r < Rows; ++r) sums[b * Rows + r] = add_product(w[k][r], x, sums[b * Rows + r]);
      }
    }
  }
}

/// The sums over the warp: lane l is left with the totals l * Count / 32, ... in front. Each total is the
/// same tree of sums, whatever their number.
template <int Count, int Distance = kWarp / 2>
__device__ void share_out_sums(float* values, int lane) {
  if constexpr (Distance > 0) {
    constexpr int kHalf = Count / 2;
    if constexpr (kHalf == 0) {
      values[0] += __shfl_xor_sync(0xffffffff, values[0], Distance);
    } else {
      const bool upper = (lane & Distance) != 0;
      WEFT_PRAGMA(unroll)
      for (int k = 0; k < kHalf; ++k) {
        const float given = upper ? values[k] : values[k + kHalf];
        const float kept = upper ? values[k + kHalf] : values[k];
        values[k] = kept + __shfl_xor_sync(0xffffffff, given, Distance);
      }
    }
    share_out_sums<(kHalf == 0 ? 1 : kHalf), Distance / 2>(values, lane);
  }
}

__device__ inline void finish_neuron(const SimulationStep& step, std::int64_t trajectory, std::int64_t row,
                                     float input) {
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
  const std::int64_t frame = (trajectory * step.frames.capacity + now.frame) * own + row;
  step.frames.activity[frame] = x;
  step.frames.derivative[frame] = next.derivative;
  step.x[at] = next.x;
  step.tanh_next[trajectory * step.tanh_stride + row] = next.tanh_x;
}

/// Neighbouring blocks take the same rows and different trajectories, so that W comes from memory about once.
template <int Rows, int Batch, bool Aligned>
__global__ void __launch_bounds__(kThreads, 2) step_rows(const SimulationStep step, std::int64_t tiles) {
  __shared__ Chunk<Batch> chunks[2];
  const std::int64_t columns = step.w.columns;
  const std::int64_t trajectory = blockIdx.x % tiles * Batch;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const std::int64_t row = (blockIdx.x / tiles * kWarps + threadIdx.x / kWarp) * Rows;
  const std::int64_t rows_left = step.w.rows - row;
  const WarpRows<Rows> rows(step.w.data + (rows_left > 0 ? row : 0) * step.w.stride, step.w.stride,
                            rows_left);

  float sums[Batch * Rows] = {};
  stage<Batch>(step, trajectory, 0, chunks[0]);
  int now = 0;
  for (std::int64_t column = 0; column < columns; column += kChunk, now ^= 1) {
    await_copies();
    __syncthreads();
    if (column + kChunk < columns) stage<Batch>(step, trajectory, column + kChunk, chunks[now ^ 1]);
    const int left = static_cast<int>(columns - column < kChunk ? columns - column : kChunk);
    if (left == kChunk)
      add_chunk<Rows, Batch, Aligned, true>(rows, column, left, lane, chunks[now], sums);
    else
      add_chunk<Rows, Batch, Aligned, false>(rows, column, left, lane, chunks[now], sums);
  }

  constexpr int kTotals = Batch * Rows;
  constexpr int kOfLane = kTotals > kWarp ? kTotals / kWarp : 1;
  constexpr int kLanes = kTotals > kWarp ? 1 : kWarp / kTotals;  // that hold the same totals
  share_out_sums<kTotals>(sums, lane);
  if (lane % kLanes != 0) return;
  WEFT_PRAGMA(unroll)
  for (int k = 0; k < kOfLane; ++k) {
    const int total = lane / kLanes * kOfLane + k;
    const int r = total % Rows, b = total / Rows;
    if (r < rows_left && trajectory + b < step.trajectories)
      finish_neuron(step, trajectory + b, row + r, sums[k]);
  }
}

bool is_aligned(const RowBlock<const float>& w) {
  return reinterpret_cast<std::uintptr_t>(w.data) % sizeof(float4) == 0 && w.stride % kVector == 0;
}

template <int Rows, int Batch>
void launch_step(const SimulationStep& step, cudaStream_t stream) {
  const std::int64_t tiles = blocks_for(step.trajectories, Batch);
  const dim3 blocks(static_cast<unsigned>(blocks_for(step.w.rows, kWarps * Rows) * tiles));
  const auto kernel = is_aligned(step.w) ? step_rows<Rows, Batch, true> : step_rows<Rows, Batch, false>;
  launch(kernel, blocks, dim3(kThreads), stream, step, tiles);
}

template <int Rows>
void launch_step(const SimulationStep& step, cudaStream_t stream) {
  if (step.trajectories == 1)
    launch_step<Rows, 1>(step, stream);
  else if (step.trajectories <= 4)
    launch_step<Rows, 4>(step, stream);
  else
    launch_step<Rows, 8>(step, stream);
}

__global__ void write_counter(SimulationCounter* counter, SimulationCounter value) { *counter = value; }

__global__ void increment_counter(SimulationCounter* counter) {
  ++counter->step;
  ++counter->frame;
}

__global__ void order_elements(const float* gathered, const std::int64_t* begins, int ranks,
                               std::int64_t trajectories, std::int64_t neurons, float* tanh_all) {
  const std::int64_t to = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (to >= trajectories * neurons) return;
  const std::int64_t trajectory = to / neurons;
  const std::int64_t neuron = to % neurons;
  int rank = 0;
  for (int end = ranks; end - rank > 1;) {
    const int middle = (rank + end) / 2;
    (begins[middle] <= neuron ? rank : end) = middle;
  }
  const std::int64_t begin = begins[rank], own = begins[rank + 1] - begin;
  tanh_all[to] = gathered[trajectories * begin + trajectory * own + neuron - begin];
}

}  // namespace

void simulation_step(const SimulationStep& step, int rows_per_warp, cudaStream_t stream) {
  switch (rows_per_warp) {
    case 8:
      return launch_step<8>(step, stream);
    case 4:
      return launch_step<4>(step, stream);
    case 2:
      return launch_step<2>(step, stream);
    default:
      return launch_step<1>(step, stream);
  }
}

void simulation_step(const SimulationStep& step, cudaStream_t stream) {
  int rows = 8;
  while (rows > 1 && blocks_for(step.w.rows, kWarps * rows) < kEnoughBlocks) rows /= 2;
  simulation_step(step, rows, stream);
}

void set_counter(SimulationCounter* counter, SimulationCounter value, cudaStream_t stream) {
  launch(write_counter, dim3(1), dim3(1), stream, counter, value);
}

void advance_counter(SimulationCounter* counter, cudaStream_t stream) {
  launch(increment_counter, dim3(1), dim3(1), stream, counter);
}

void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                         std::int64_t trajectories, std::int64_t neurons, float* tanh_all,
                         cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(blocks_for(trajectories * neurons, kThreads)));
  launch(order_elements, blocks, dim3(kThreads), stream, gathered, begins, ranks, trajectories, neurons,
         tanh_all);
}

}  // namespace weft::cuda
