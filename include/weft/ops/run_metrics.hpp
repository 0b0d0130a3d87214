#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/comm/rank_board.hpp"
#include "weft/comm/run_control.hpp"
#include "weft/core/progress.hpp"
#include "weft/io/checkpoint_saver.hpp"

namespace prometheus {
class Collectable;
}

namespace weft {

/// Where a rank runs.
struct RankSeat {
  std::string host;
  std::string gpu;   ///< its name; empty on the CPU
  std::string uuid;  ///< its
};

/// What does not change while a run lasts.
struct RunDescription {
  std::string name;
  std::string method;
  std::string config_hash;
  std::string folder;          ///< absolute
  std::string job;             ///< of the batch system; empty outside of one
  double checkpoint_interval;  ///< [s]; 0: none are saved
  std::vector<RankSeat> ranks;
};

/// The metrics of a run as Prometheus has them; docs/monitoring.md lists them. The main thread tells what
/// happens, any thread may look. Much is not told but looked up when somebody looks: phases
/// (core/phase.hpp), traffic (comm/traffic.hpp), stage, and the news of the ranks. Local: of rank 0.
class RunMetrics {
 public:
  RunMetrics(RunDescription run, std::shared_ptr<const RankBoard> board);
  ~RunMetrics();
  RunMetrics(const RunMetrics&) = delete;
  RunMetrics& operator=(const RunMetrics&) = delete;

  /// How far a loop is. Steps count from the first report of a stage on.
  void progress(const Progress& progress);
  /// What a loop has found. Names that are not known are a bug: InternalError.
  void measured(std::span<const Measure> found);
  /// A loss was not finite: so it stays until another is measured.
  void diverged();
  /// What became known of checkpoints since `before`.
  void checkpoints(const CheckpointAccount& before, const CheckpointAccount& now);
  /// Of rank 0's GPU [bytes].
  void device_memory(std::int64_t used, std::int64_t total);
  /// How the run ends.
  void ended(int exit_code);

  /// Whether training has begun: this process has done a step, or as much of the closed form as shows. From
  /// any thread.
  bool ready() const;
  /// In Prometheus' text format. From any thread.
  std::string text() const;
  /// The same for prometheus-cpp's own exporters.
  std::shared_ptr<prometheus::Collectable> collectable() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft
