#pragma once

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

#include "weft/core/wall_clock.hpp"
#include "weft/ops/launcher_check.hpp"

namespace weft {

/// Notices that this run is to stop before its end: by SIGUSR1, SIGTERM or SIGINT, when its hours are over,
/// or when the Slurm job around it is about to end (SLURM_JOB_END_TIME). While it lives it handles these
/// signals: it only takes note of them, but a second SIGTERM or SIGINT, half a second later or more, ends the
/// process at once, as if it were not there. One in a process.
class StopRequest {
 public:
  struct Options {
    std::optional<double> max_hours;  ///< counted from the construction
    bool watches_clock = true;        ///< false: signals alone, where another rank looks at the time
    EnvironmentLookup lookup = [](const char* name) { return std::getenv(name); };
    /// Seconds since 1970.
    std::function<double()> now = seconds_since_1970;
  };

  /// The end of a Slurm job that is over already is none: a job that still runs was given more time.
  /// @throws UserError where SLURM_JOB_END_TIME is no time.
  explicit StopRequest(Options options);
  /// Gives the signals back to who handled them before.
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  /// Why this rank wants to stop, such as "SIGUSR1" or "--max-hours 0.5"; nothing where it does not. Cheap
  /// enough for each step. Local.
  std::optional<std::string> reason() const;
  /// A save took so long [s]: the run stops two minutes, the longest pause and the time of three of the
  /// longest saves before the end of the job. Local.
  void save_took(double seconds);
  /// A loop could not ask for its reason to stop for so long [s]. Local.
  void asked_after(double seconds);

 private:
  Options options_;
  double begin_;                   ///< as options_.now
  std::optional<double> job_end_;  ///< likewise
  double longest_save_ = 0;        ///< [s]
  double longest_pause_ = 0;       ///< of a loop, between two questions [s]
};

}  // namespace weft
