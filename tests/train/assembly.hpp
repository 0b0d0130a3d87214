#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "weft/core/row_partition.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// A small assembly to train on: 40 frames of random activity of 13 neurons and the derivative that a random
/// W gives it, always the same.
struct Assembly {
  static constexpr std::int64_t neurons = 13;
  static constexpr std::int64_t frames = 40;

  at::Tensor activity;    ///< (frames x neurons) float64
  at::Tensor derivative;  ///< (frames x neurons) float64

  Assembly();
  /// A shard's columns, float32 as load_training_data gives them.
  TrainingData data(const RowPartition& partition, int shard) const;
};

/// The rows of a shard of a network whose every parameter is random, biases and latents too; the same network
/// for any partition.
SignalGnn random_network(const RowPartition& partition, int shard, at::ScalarType type);

}  // namespace weft
