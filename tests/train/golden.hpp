#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/config/config.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// A case of tests/golden/step_n24.h5: training steps that the reference's own code made, in float64.
class GoldenSteps {
 public:
  static constexpr std::int64_t kNeurons = 24;
  static constexpr std::int64_t kSteps = 10;

  explicit GoldenSteps(std::string name);

  /// A dataset of the case, whole, float64.
  at::Tensor read(const std::string& name) const;
  double attribute(const std::string& name) const;
  std::int64_t batch() const { return read("x").size(1); }

  TrainingConfig config() const;
  /// This shard's columns of the frames, step after step.
  TrainingData data(const RowPartition& partition, int shard) const;
  /// This shard's part of the parameters under `group`, such as "init" or "after_10".
  SignalGnn model(const std::string& group, const RowPartition& partition, int shard) const;
  /// All parameters of an MLP under `group`, laid out as Mlp::parameters().
  at::Tensor flat(const std::string& group, const std::string& mlp) const;

 private:
  std::string name_;
};

}  // namespace weft
