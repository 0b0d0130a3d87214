#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "weft/app/stages.hpp"

namespace weft {

/// What a stage's main loop took, from where it began in this run to its end.
struct LoopTime {
  double seconds = 0;
  std::int64_t steps = 0;  ///< all alike; 0 where it has none such
};

/// Work of rank 0 alone, with its failure on all ranks. @collective
void on_first_rank(Communicator& world, const std::function<void()>& work);

/// The dataset that the stages behind the simulation read.
std::filesystem::path dataset_of(const StageContext& context);

/// Since `start` [s].
double seconds_since(std::chrono::steady_clock::time_point start);

}  // namespace weft
