#pragma once

#include "weft/kernels/training_schedule.hpp"

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

/// weft::begin_step, everything but the schedule in device memory, in the order of `stream`.
void begin_step(const TrainingSchedule& schedule, TrainingCounters* counters, const std::int64_t* choices,
                std::int64_t* frames, AdamFactors* factors, cudaStream_t stream);

}  // namespace weft::cuda
