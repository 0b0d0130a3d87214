#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/comm/process_grid.hpp"
#include "weft/config/config.hpp"
#include "weft/device/device.hpp"
#include "weft/train/between_steps.hpp"
#include "weft/train/distillation.hpp"
#include "weft/train/frame_choice.hpp"
#include "weft/train/identifiability.hpp"
#include "weft/train/neuron_signals.hpp"
#include "weft/train/phi_shapes.hpp"
#include "weft/train/trainer.hpp"
#include "weft/train/training_data.hpp"
#include "weft/train/work_log.hpp"

namespace weft {

struct ClosedFormState;
struct ClosedFormShape;

/// The closed form (docs/closed-form.md): for a given psi the model is linear in W and in any basis of phi_i,
/// and all rows share one Gram matrix, so psi is found first, from a few rows, by variable projection, then
/// every row is one linear solve. The plain equations in float32 come first; where their arithmetic breaks
/// down it goes to float64, then to differences in time, and says so. Rows and time series are sharded,
/// frames are split over replicas. Everything large lies on the device and is computed there, but for the
/// series where the device has no room for them; what it gives lies on the host. The same to rounding for any
/// process grid and device.
///
/// It can be saved after each evaluation of psi, and among the rows after each chunk of frames, each solve
/// and each refinement; what it then goes on with is never done twice.
class VarproSolver final : public Trainer {
 public:
  /// `psi_groups` is empty for one psi, else the group of each neuron, from 0. `device`, whose tensors are
  /// served, and `grid`, with collectives on its memory, must outlive the solver.
  VarproSolver(Device& device, const ProcessGrid& grid, TrainingData data, const TrainingConfig& config,
               std::vector<std::int64_t> psi_groups, std::uint64_t seed);
  ~VarproSolver() override;

  /// @throws UserError where the config cannot be met; UnidentifiableError where the data hold no answer; on
  /// all ranks.
  void train(RunControl& control, const SaveState& save) override;
  void resume(const Checkpoint& state) override;
  ModelArrays arrays() const override;
  nlohmann::json findings() const override;
  /// Points at which it could have been saved.
  std::int64_t steps_done() const override;

  const SplineNetwork& network() const { return *network_; }
  const Identifiability& identifiability() const { return identifiability_; }

  /// The first form to try; for tests and for those who want double precision whatever it costs.
  void start_from(const EquationForm& form);
  /// Frames of the rows that are worked on at a time, for tests: there are few points to be saved at where
  /// all frames are one chunk.
  void take_frames_by(std::int64_t chunk) { chunk_ = chunk; }

 private:
  ClosedFormShape shape() const;
  void pass_point(RunControl& control, const SaveState& save, const WorkLog& log);
  void prepare(WorkLog& log);
  void solve(const BetweenSteps& between, WorkLog& log);
  void solve_in_form(const FrameChoice& frames, const BetweenSteps& between, WorkLog& log);
  PhiShapes agreed_shapes() const;
  std::int64_t place_series(std::int64_t shapes);
  void announce(std::int64_t bytes) const;
  bool fall_back(const std::string& reason);
  void assemble();
  void set_latents();
  nlohmann::json solver_json() const;

  Device& device_;
  const ProcessGrid& grid_;
  TrainingConfig config_;
  std::uint64_t seed_;
  TrainingFrames frames_;
  double activity_scale_;
  RowPartition partition_;
  std::vector<std::int64_t> groups_;
  std::optional<TrainingData> data_;  ///< until the signals take it over
  std::optional<NeuronSignals> signals_;
  std::unique_ptr<ClosedFormState> state_;
  std::int64_t chunk_ = 0;    ///< 0: as many as are worked on at full speed
  std::int64_t room_ = 0;     ///< bytes of the device that were free at the start
  bool out_of_core_ = false;  ///< the series stayed on the host, beside the device

  DataOutlook outlook_;
  std::int64_t held_out_ = 0;
  double machine_flops_ = 0;  ///< of matrix products per second, measured
  std::optional<SplineNetwork> network_;
  double scale_error_ = 0;  ///< of W, relative
  Identifiability identifiability_;
  std::optional<Distilled> distilled_;
};

}  // namespace weft
