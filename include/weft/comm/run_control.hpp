#pragma once

#include <array>
#include <span>
#include <string_view>

#include "weft/comm/communicator.hpp"
#include "weft/core/progress.hpp"

namespace weft {

/// What is wished of a long loop between two of its steps; the last is the strongest.
enum class Wish { go_on, checkpoint, stop };

/// What a rank has to say between two steps: one for yes, else 0. Their sums over ranks tell how many say so.
/// Small whole numbers, so that a sum in float32 is exact.
struct Votes {
  double stop = 0;        ///< the loop is to save what it has and end
  double checkpoint = 0;  ///< the loop is to save what it has and go on
  double written = 0;     ///< this rank's part of the checkpoint under way is written, or could not be

  static constexpr int kCount = 3;
  std::array<double, kCount> numbers() const { return {stop, checkpoint, written}; }
  static Votes of(const std::array<double, kCount>& numbers) { return {numbers[0], numbers[1], numbers[2]}; }
};

/// A number that a long loop has found on its way. Names and parts are those of the metrics of
/// docs/monitoring.md, without their prefix: {"loss", "data", 0.31}.
struct Measure {
  std::string_view name;
  std::string_view part;  ///< empty where there is one only
  double value = 0;
};

/// Whoever runs a long loop, as the loop sees it. Between any two steps the loop tells how far it is and
/// collects the votes of all ranks, by an all-reduce that it makes anyway or by `ask`; what is decided then
/// is the same on all ranks, so that all save or stop at the same step.
class RunControl {
 public:
  virtual ~RunControl() = default;

  /// How far the loop is. Local, often, must not throw.
  virtual void progress(const Progress& progress) = 0;
  /// What the loop has found. Local, often, must not throw. Nobody need look at it.
  virtual void measured(std::span<const Measure>) {}
  /// What this rank has to say now. Local, cheap.
  virtual Votes votes() = 0;
  /// What all ranks are to do, given the votes of all. @collective over all ranks, where a checkpoint under
  /// way has been written by all and is published.
  virtual Wish decide(const Votes& sum) = 0;
};

/// For a loop without an all-reduce of its own: votes, and decides. @collective
Wish ask(RunControl& control, Communicator& world);

/// Wishes nothing of a loop, and shows its progress, if to anybody.
class Unattended final : public RunControl {
 public:
  explicit Unattended(ProgressSink sink = {}) : sink_(std::move(sink)) {}
  void progress(const Progress& progress) override {
    if (sink_) sink_(progress);
  }
  Votes votes() override { return {}; }
  Wish decide(const Votes&) override { return Wish::go_on; }

 private:
  ProgressSink sink_;
};

}  // namespace weft
