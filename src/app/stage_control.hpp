#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "weft/comm/run_control.hpp"
#include "weft/config/config.hpp"
#include "weft/io/checkpoint_saver.hpp"
#include "weft/ops/run_metrics.hpp"
#include "weft/ops/stop_request.hpp"

namespace weft {

/// Runs the long loop of one stage: shows its progress, has its state saved from time to time, and stops it
/// where somebody asked for that. One for each rank; all ranks of a stage have theirs.
class StageControl final : public RunControl {
 public:
  /// The clock of rank 0 decides when the state is saved. `world`, `request` and `metrics`, which may be
  /// null, must outlive this.
  StageControl(Communicator& world, ProgressSink sink, StopRequest& request, const CheckpointConfig& config,
               RunMetrics* metrics = nullptr);

  /// From now on this rank saves by `saver`, null for none, and `savers` ranks in all have one. The saver
  /// must outlive the loop.
  void save_with(CheckpointSaver* saver, int savers);

  void progress(const Progress& progress) override;
  void measured(std::span<const Measure> found) override;
  /// A loss was not finite. Local.
  void diverged();
  Votes votes() override;
  Wish decide(const Votes& sum) override;

  /// Saves a state: while the loop goes on, or, where it is to stop or the caller needs HDF5 itself, at once.
  /// Where it cannot be written, a warning says so. @collective over all ranks
  /// @throws ResultNotWritten on all ranks where the loop is to stop, and this cannot be saved for it.
  void save(const CheckpointInfo& info, const ModelArrays& state, bool at_once = false);
  /// Waits until what is under way is written. True on the ranks that save where it is valid. @collective
  /// over the ranks that save
  bool settle();

 private:
  void note_durations();
  void warn_where_late();
  void tell_of_checkpoints();

  using Clock = std::chrono::steady_clock;

  Communicator& world_;
  ProgressSink sink_;
  StopRequest& request_;
  double interval_;  ///< [s]
  RunMetrics* metrics_;
  CheckpointAccount told_;  ///< what the metrics know
  CheckpointSaver* saver_ = nullptr;
  int savers_ = 0;
  bool writing_ = false;                       ///< a checkpoint is under way, on all ranks alike
  bool stopping_ = false;                      ///< decided, on all ranks alike
  std::optional<Clock::time_point> asked_at_;  ///< when the loop last gave its votes
  Clock::time_point saved_at_ = Clock::now();  ///< when the last save began
  double late_after_ = 0;                      ///< seconds of a save until somebody is told
};

}  // namespace weft
