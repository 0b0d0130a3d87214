#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weft/comm/process_grid.hpp"
#include "weft/comm/traffic.hpp"
#include "weft/config/config.hpp"
#include "weft/core/phase.hpp"
#include "weft/device/device.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/train/adam.hpp"
#include "weft/train/batch_source.hpp"
#include "weft/train/loss_gradient.hpp"
#include "weft/train/loss_history.hpp"
#include "weft/train/trainer.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// The paper's gradient training: Adam with one learning rate for each of W, a, phi, psi, frames drawn at
/// random, moments cleared each epoch. Rows are sharded, frames of a batch are split over replicas. The same
/// to rounding for any process grid, bitwise for the same grid and threads. On a GPU the steps of a window
/// run without the host: they are one recording, replayed, and the host looks at the losses and the votes in
/// between. Saved or not, resumed or not, it is the same training, bit for bit.
class AdamTrainer final : public Trainer {
 public:
  /// Starts from `model`, on the host, whose precision (float32 or float64) is that of the training. `grid`,
  /// of communicators that `device` connected, and `device` must outlive the trainer.
  /// @throws UserError where the batch cannot be split over the replicas, or where the device lacks memory.
  AdamTrainer(Device& device, const ProcessGrid& grid, TrainingData data, SignalGnn model,
              const TrainingConfig& config, std::uint64_t seed);

  /// Where the training is to be rewound when it diverges, and no state is there yet to go back to, saves the
  /// one before the first step.
  void train(RunControl& control, const SaveState& save) override;
  /// As Trainer; but the rewinds that this trainer counted remain. After an exception the trainer is of no
  /// more use.
  void resume(const Checkpoint& state) override;
  /// With all learning rates half of what they were; as often as training.most_rewinds allows, where
  /// training.divergence is rewind.
  bool rewind(const Checkpoint& state) override;
  /// How often it went back, before it was resumed too.
  std::int64_t rewinds() const { return rewinds_; }
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
  /// An array of the state, in this trainer's memory.
  struct Part {
    std::string name;
    at::Tensor tensor;
  };
  std::vector<Part> row_parts() const;
  std::vector<Part> common_parts() const;
  void save_state(const SaveState& save);
  void load_state(const Checkpoint& state);
  void require_finite_state();
  void set_rates();

  void begin_step(bool draws);
  std::pair<at::Tensor, at::Tensor> load_batch();
  void take_step();
  void replay(const std::function<void()>& whole_step);
  void run_steps(std::int64_t count);
  void stage(std::int64_t first_step, std::int64_t count);
  at::Tensor look(std::int64_t count);
  void record(const at::Tensor& sums, std::int64_t count);
  void tell(RunControl& control) const;
  void tell_losses(RunControl& control) const;
  void obey(Wish wish, const SaveState& save);
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
  at::Tensor sums_;      ///< (window x kStepSums) float64: StepGradient::sums
  at::Tensor votes_;     ///< (Votes::kCount), of W's type: this rank's, of the steps until the host looks

  bool warm_ = false;                       ///< a step like the recorded one was taken before
  std::unique_ptr<RecordedWork> recorded_;  ///< one step, after another one
  WorkCount work_of_step_;                  ///< as it was counted in the recording
  Traffic traffic_of_step_;
  StepGradient recorded_gradient_;  ///< on a GPU: where each replay leaves its gradient
  StepGradient gradient_;           ///< of the last step
  std::int64_t steps_done_ = 0;
  std::int64_t rewinds_ = 0;
  bool has_state_ = false;  ///< one of this course was saved, or resumed from
  LossHistory history_;
  LossWindow open_;                          ///< not in the history yet
  mutable std::vector<at::Tensor> at_host_;  ///< what `arrays` has brought there
};

}  // namespace weft
