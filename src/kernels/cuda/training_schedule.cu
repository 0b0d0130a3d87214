#include "kernels/cuda/training_schedule.hpp"

namespace weft::cuda {
namespace {

__global__ void begin_kernel(const TrainingSchedule schedule, TrainingCounters* counters,
                             const std::int64_t* choices, std::int64_t* frames, AdamFactors* factors) {
  weft::begin_step(schedule, *counters, choices, frames, factors);
}

}  // namespace

void begin_step(const TrainingSchedule& schedule, TrainingCounters* counters, const std::int64_t* choices,
                std::int64_t* frames, AdamFactors* factors, cudaStream_t stream) {
  launch(begin_kernel, dim3(1), dim3(1), stream, schedule, counters, choices, frames, factors);
}

}  // namespace weft::cuda
