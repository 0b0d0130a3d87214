#include "weft/core/phase.hpp"

#include <chrono>
#include <mutex>
#include <utility>

#include "weft/core/main_thread.hpp"

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;

class Account {
 public:
  std::size_t enter(std::string_view phase) {
    const std::lock_guard lock(mutex_);
    return go_to(place_of(stage_, phase));
  }

  void leave(std::size_t outer) {
    const std::lock_guard lock(mutex_);
    go_to(outer);
  }

  void begin(std::string_view stage) {
    const std::lock_guard lock(mutex_);
    stage_ = stage;
    go_to(place_of(stage_, kPhaseOther));
  }

  void note(const WorkCount& work) {
    const std::lock_guard lock(mutex_);
    phases_[present_].work += work;
    noted_ += work;
  }

  WorkCount noted() const {
    const std::lock_guard lock(mutex_);
    return noted_;
  }

  std::vector<PhaseTime> times() const {
    const std::lock_guard lock(mutex_);
    std::vector<PhaseTime> all = phases_;
    all[present_].seconds += seconds_since_entry();
    return all;
  }

  double own_seconds() const {
    double seconds = 0;
    const std::lock_guard lock(mutex_);
    for (std::size_t k = 0; k < phases_.size(); ++k) {
      const PhaseTime& phase = phases_[k];
      if (phase.stage != stage_ || phase.phase == kPhaseCommunication || phase.phase == kPhaseIo) continue;
      seconds += phase.seconds + (k == present_ ? seconds_since_entry() : 0);
    }
    return seconds;
  }

 private:
  std::size_t place_of(std::string_view stage, std::string_view phase) {
    for (std::size_t k = phases_.size(); k-- > 0;) {  // those of the present stage are the last
      if (phases_[k].phase == phase && phases_[k].stage == stage) return k;
    }
    phases_.push_back({std::string(stage), std::string(phase), 0, {}});
    return phases_.size() - 1;
  }

  std::size_t go_to(std::size_t place) {
    const Clock::time_point now = Clock::now();
    phases_[present_].seconds += std::chrono::duration<double>(now - entered_).count();
    entered_ = now;
    return std::exchange(present_, place);
  }

  double seconds_since_entry() const {
    return std::chrono::duration<double>(Clock::now() - entered_).count();
  }

  mutable std::mutex mutex_;
  std::string stage_;
  std::vector<PhaseTime> phases_{{"", std::string(kPhaseOther), 0, {}}};
  std::size_t present_ = 0;
  Clock::time_point entered_ = Clock::now();
  WorkCount noted_;
};

Account& account() {
  static Account instance;
  return instance;
}

constexpr std::size_t kNotNoted = static_cast<std::size_t>(-1);

}  // namespace

WorkCount& WorkCount::operator+=(const WorkCount& more) {
  flops += more.flops;
  bytes += more.bytes;
  return *this;
}

InPhase::InPhase(std::string_view phase) : outer_(on_main_thread() ? account().enter(phase) : kNotNoted) {}

InPhase::~InPhase() {
  if (outer_ != kNotNoted) account().leave(outer_);
}

void note_work(const WorkCount& work) {
  if (on_main_thread()) account().note(work);
}

WorkCount noted_work() { return account().noted(); }

void begin_phases_of(std::string_view stage) { account().begin(stage); }

std::vector<PhaseTime> phase_times() { return account().times(); }

double own_seconds() { return account().own_seconds(); }

}  // namespace weft
