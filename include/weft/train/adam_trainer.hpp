#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/comm/process_grid.hpp"
#include "weft/config/config.hpp"
#include "weft/device/device.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/train/adam.hpp"
#include "weft/train/batch_source.hpp"
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
/// to rounding for any process grid, bitwise for the same grid and threads. On a GPU the steps of a window
/// run without the host: they are one recording, replayed, and the host looks at the losses in between.
class AdamTrainer final : public Trainer {
 public:
  /// Starts from `model`, on the host, whose precision (float32 or float64) is that of the training. `grid`,
  /// of communicators that `device` connected, and `device` must outlive the trainer.
  /// @throws UserError where the batch cannot be split over the replicas, or where the device lacks memory.
  AdamTrainer(Device& device, const ProcessGrid& grid, TrainingData data, SignalGnn model,
              const TrainingConfig& config, std::uint64_t seed);

  void train(const ProgressSink& progress) override;
  ModelArrays arrays() const override;
  nlohmann::json findings() const override { return nlohmann::json::object(); }
  const LossHistory& history() const { return history_; }
  std::int64_t steps_done() const override { return steps_done_; }

  /// One step on these frames of the data, one for each entry of the batch. @collective over the grid.
  Losses step(std::span<const std::int64_t> frames);
  /// Brings W up to date with the last step. Local.
  void finish() { connectivity_.flush(); }
  /// On the trainer's device.
  const SignalGnn& model() const { return model_; }
  /// Kernels, copies and collectives of the recorded step; 0 before it was recorded.
  std::size_t recorded_operations() const { return recorded_ ? recorded_->operations() : 0; }

 private:
  void begin_step(bool draws);
  void take_step();
  void run_steps(std::int64_t count);
  void stage(std::int64_t first_step, std::int64_t count);
  std::vector<Losses> look(std::int64_t count);
  std::int64_t steps_to_look(std::int64_t from) const;
  void begin_epoch();

  Device& device_;
  const ProcessGrid& grid_;
  RowPartition partition_;
  std::vector<std::int64_t> usable_;  ///< frames with a derivative
  SignalGnn model_;
  TrainingConfig config_;
  TrainingSchedule schedule_;
  std::unique_ptr<BatchSource> batches_;
  LossGradient loss_gradient_;
  ConnectivityOptimizer connectivity_;
  Adam psi_, phi_, embedding_;

  // What changes from step to step, on the device.
  at::Tensor counters_;  ///< (3) int64: TrainingCounters
  at::Tensor choices_;   ///< (usable frames) int64
  at::Tensor frames_;    ///< (entries) int64: of the present batch
  at::Tensor factors_;   ///< (parts x 2) float64: AdamFactors
  at::Tensor losses_;    ///< (window x 3) float64

  bool warm_ = false;                       ///< a step like the recorded one was taken before
  std::unique_ptr<RecordedWork> recorded_;  ///< one step, after another one
  std::int64_t steps_done_ = 0;
  LossHistory history_;
  mutable std::vector<at::Tensor> at_host_;  ///< what `arrays` has brought there
};

}  // namespace weft
