#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/comm/run_control.hpp"
#include "weft/core/phase.hpp"

namespace weft {

/// Keeps account of a long computation: seconds and floating-point operations of each phase, for the metrics,
/// and the progress that a person sees. Local.
class WorkLog {
 public:
  struct Phase {
    std::string name;
    double seconds = 0;
    double flops = 0;  ///< of matrix products, solves and factorisations; 0 where there are none
  };

  /// What has been done so far.
  struct Account {
    std::vector<Phase> phases;
    double flops = 0;  ///< of what led nowhere, too
    double seconds = 0;
  };

  /// `settle` waits until the work that was started is done, where it goes on by itself.
  explicit WorkLog(
      RunControl& control, std::function<void()> settle = [] {})
      : control_(control), settle_(std::move(settle)) {}
  /// Goes on from what was done before a stop.
  WorkLog(RunControl& control, std::function<void()> settle, Account before)
      : control_(control), settle_(std::move(settle)), done_(std::move(before)) {}

  /// Runs `work`, waits until it is done, and books its time under `name`, with `flops` floating-point
  /// operations of this rank.
  template <typename Work>
  auto phase(const std::string& name, double flops, Work&& work) {
    const Clock clock(*this, name, flops);
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      settle_();
    } else {
      auto result = work();
      settle_();
      return result;
    }
  }

  /// What all the work is expected to take; may be said again when it is known better.
  void expect_flops(double flops) { expected_ = flops; }
  /// Passes on what the work has found.
  void measured(std::initializer_list<Measure> found) {
    control_.measured(std::span(found.begin(), found.size()));
  }
  /// A line about where the work is, shown with the next progress.
  void say(std::string detail);

  /// The last line.
  void finish(std::string detail);

  /// Makes the phases from the `first` on one, under `name`, and forgets their operations: they led nowhere.
  void write_off(std::size_t first, const std::string& name);

  double flops() const { return done_.flops; }
  const std::vector<Phase>& phases() const { return done_.phases; }
  double seconds() const;
  Account account() const { return {done_.phases, done_.flops, seconds()}; }

 private:
  class Clock {
   public:
    Clock(WorkLog& log, std::string name, double flops)
        : log_(log), name_(std::move(name)), flops_(flops), in_phase_(name_) {}
    ~Clock() {
      note_work({flops_, 0});
      log_.book(name_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(),
                flops_);
    }

   private:
    WorkLog& log_;
    std::string name_;
    double flops_;
    InPhase in_phase_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };
  void book(const std::string& name, double seconds, double flops);
  void show() const;

  RunControl& control_;
  std::function<void()> settle_;
  Account done_;  ///< the seconds are those before this log began
  std::string detail_;
  double expected_ = 0;
  bool finished_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace weft
