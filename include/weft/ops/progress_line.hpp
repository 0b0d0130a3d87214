#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>

#include "weft/core/progress.hpp"

namespace weft {

/// Shows the progress of long loops to a person.
///
/// On a terminal, one line that rewrites itself: `simulate  45% 4500/10000 steps  812 steps/s  7 s left
/// loss 3.2`. Elsewhere (a file, a batch system), lines of the log: the first after 5 s of a stage, then at
/// growing intervals, so that a day's run fills pages and not books. Either way the end of a stage leaves one
/// line in the log with the time it took. Rate and time left are averages over the stage so far.
///
/// This is the one place of the library that writes to a stream itself. Local; for one thread; must outlive
/// its sinks.
class ProgressLine {
 public:
  /// Time since any fixed moment.
  using Clock = std::function<std::chrono::duration<double>()>;

  struct Options {
    std::FILE* terminal = nullptr;  ///< null: there is none, and lines go to the log
    std::size_t columns = 80;       ///< width of the terminal
    Clock clock;
  };

  /// Real time, and lines of the log only.
  static Options in_log();
  /// Real time, and stderr if it is a terminal.
  static Options on_stderr();

  explicit ProgressLine(Options options);
  /// As finish().
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Takes a report; shows it if it is time. A new stage's name, or `done` reaching `total`, ends the stage
  /// before.
  void show(const Progress& progress);
  /// Ends the stage that is under way, if any: clears the terminal's line and logs how far it came.
  void finish();
  /// What long loops are given.
  ProgressSink sink();

 private:
  struct Stage {
    Progress first;
    Progress last;
    double begin;  ///< [s]
    double shown;  ///< when it was shown last [s]
  };

  double now() const { return options_.clock().count(); }
  void begin(const Progress& progress);
  bool is_time() const;
  void write_line();

  Options options_;
  std::optional<Stage> stage_;
};

}  // namespace weft
