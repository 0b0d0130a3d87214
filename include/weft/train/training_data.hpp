#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/io/dataset.hpp"

namespace weft {

/// The frames of a dataset.
struct TrainingFrames {
  std::int64_t total = 0;
  std::vector<std::int64_t> with_derivative;       ///< the frames that have a derivative, ascending
  std::vector<std::int64_t> trajectory_starts{0};  ///< ascending
};

/// What training sees of a dataset: this shard's neurons, every frame. Never the truth.
struct TrainingData {
  RowPartition partition;
  int shard = 0;
  at::Tensor activity;    ///< (T x rows) float32, time first
  at::Tensor derivative;  ///< (T x rows) float32 [1 / time units]
  TrainingFrames frames;
  double activity_scale = 1;  ///< xnorm: activity_scale_of the standard deviation of all activity
  bool differences = false;   ///< the derivative was made by forward differences of the activity
};

/// Reads this shard's columns. A dataset without derivatives gets forward differences within each trajectory,
/// whose last frame is then not used; a warning says so. @collective over the row shards.
/// @throws UserError on all ranks: values that are not finite (frame and neuron named), fewer neurons than
/// ranks, constant activity.
TrainingData load_training_data(Communicator& rows, const Dataset& dataset);

}  // namespace weft
