#pragma once

#include <cstdint>
#include <functional>

#include "weft/config/config.hpp"
#include "weft/device/device.hpp"

namespace weft {

// What a rank needs of its GPU's memory, beside what is taken when the GPU is open and connected to those of
// the other ranks; of the rank with most rows. docs/gpu.md has the formulas in words. All local.

/// Bytes of a GPU.
struct MemoryNeed {
  std::int64_t least = 0;      ///< with the data on the host, from where they are brought piece by piece
  std::int64_t with_data = 0;  ///< with the data on the GPU

  /// What will be used where so much is free, a tenth of which the data leave alone.
  std::int64_t bytes(std::int64_t free_bytes) const {
    return with_data <= usable_bytes(free_bytes) ? with_data : least;
  }
};

/// The size of a dataset, and of a model of it.
struct DataSize {
  std::int64_t neurons = 0;        ///< N
  std::int64_t frames = 0;         ///< T
  std::int64_t fitted_frames = 0;  ///< those that the closed form does not hold out
  std::int64_t psi_groups = 1;     ///< groups of neurons with a psi of their own
};

/// Of the simulation.
MemoryNeed simulation_need(const SimulationConfig& simulation, std::int64_t ranks);

/// Of the training by `training.method` on so many row shards, in training.replicas replicas each. That of
/// the closed form is of single precision and one shape of phi.
MemoryNeed training_need(const TrainingConfig& training, const DataSize& data, std::int64_t shards);

/// Of a gradient step, beside W, its moments and the data, on a rank with so many rows of W.
std::int64_t gradient_work_bytes(const TrainingConfig& training, std::int64_t neurons, std::int64_t rows);

/// The fewest shards, up to `most`, with which `least_of` is no more than `free_bytes`; 0 where no number is
/// enough.
std::int64_t fewest_shards(const std::function<std::int64_t(std::int64_t shards)>& least_of,
                           std::int64_t free_bytes, std::int64_t most);

}  // namespace weft
