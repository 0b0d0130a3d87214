#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/comm/process_grid.hpp"
#include "weft/config/config.hpp"
#include "weft/core/philox.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/train/adam.hpp"
#include "weft/train/loss_gradient.hpp"
#include "weft/train/trainer.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// The losses of a training, one entry a recorded step; each loss over the neurons, as the published code
/// prints it.
struct LossHistory {
  std::vector<std::int64_t> step;
  std::vector<double> total, data, phi_zero, psi_monotone;
};

/// The paper's gradient training: Adam with one learning rate for each of W, a, phi, psi, frames drawn at
/// random, moments cleared each epoch. Rows are sharded, frames of a batch are split over replicas. The same
/// to rounding for any process grid, bitwise for the same grid and threads.
class AdamTrainer final : public Trainer {
 public:
  /// Starts from `model`, whose precision (float32 or float64) is that of the training. `grid` must outlive
  /// the trainer.
  /// @throws UserError where the batch cannot be split over the replicas.
  AdamTrainer(const ProcessGrid& grid, TrainingData data, SignalGnn model, const TrainingConfig& config,
              std::uint64_t seed);

  void train(const ProgressSink& progress) override;
  ModelArrays arrays() const override;
  nlohmann::json findings() const override { return nlohmann::json::object(); }
  const LossHistory& history() const { return history_; }
  std::int64_t steps_done() const override { return steps_done_; }

  /// One step on these frames of the data, one for each entry of the batch. @collective over the grid.
  Losses step(std::span<const std::int64_t> frames);
  /// Brings W up to date with the last step. Local.
  void finish() { connectivity_.flush(); }
  const SignalGnn& model() const { return model_; }

 private:
  std::vector<std::int64_t> draw_frames() const;
  double rate_factor() const;
  void begin_epoch();

  const ProcessGrid& grid_;
  TrainingData data_;
  SignalGnn model_;
  TrainingConfig config_;
  Philox random_;
  LossGradient loss_gradient_;
  ConnectivityOptimizer connectivity_;
  Adam psi_, phi_, embedding_;
  std::int64_t steps_done_ = 0;
  LossHistory history_;
};

}  // namespace weft
