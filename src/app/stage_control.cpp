#include "app/stage_control.hpp"

#include <algorithm>
#include <utility>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"

#include "app/stage_parts.hpp"

namespace weft {
namespace {

/// A save that takes no longer is nothing to speak of, however often there is one [s].
constexpr double kShortSave = 1;

}  // namespace

StageControl::StageControl(Communicator& world, ProgressSink sink, StopRequest& request,
                           const CheckpointConfig& config, RunMetrics* metrics)
    : world_(world),
      sink_(std::move(sink)),
      request_(request),
      interval_(config.interval),
      metrics_(metrics) {}

void StageControl::save_with(CheckpointSaver* saver, int savers) {
  saver_ = saver;
  savers_ = savers;
}

void StageControl::progress(const Progress& progress) {
  if (sink_) sink_(progress);
  if (metrics_ != nullptr) metrics_->progress(progress);
}

void StageControl::measured(std::span<const Measure> found) {
  if (metrics_ != nullptr) metrics_->measured(found);
}

void StageControl::diverged() {
  if (metrics_ != nullptr) metrics_->diverged();
}

Votes StageControl::votes() {
  note_durations();
  Votes votes;
  if (request_.reason()) votes.stop = 1;
  const bool due = seconds_since(saved_at_) >= interval_;
  if (world_.rank() == 0 && saver_ != nullptr && interval_ > 0 && due && !saver_->busy())
    votes.checkpoint = 1;
  if (saver_ != nullptr && saver_->written()) votes.written = 1;
  return votes;
}

Wish StageControl::decide(const Votes& sum) {
  if (writing_ && static_cast<int>(sum.written) == savers_) {
    writing_ = false;
    if (saver_ != nullptr) saver_->publish();
  }
  warn_where_late();
  tell_of_checkpoints();
  if (sum.stop > 0 && !stopping_) {
    stopping_ = true;
    if (const auto reason = request_.reason()) log_info("to be stopped: {}", *reason);
  }
  if (stopping_) return Wish::stop;
  return sum.checkpoint > 0 ? Wish::checkpoint : Wish::go_on;
}

void StageControl::save(const CheckpointInfo& info, const ModelArrays& state, bool at_once) {
  saved_at_ = Clock::now();
  late_after_ = std::max(interval_, kShortSave);
  writing_ = !stopping_ && !at_once;
  if (saver_ != nullptr) saver_->start(info, state);
  if (writing_) return;
  const bool failed = !settle() && saver_ != nullptr;
  if (!stopping_) return;
  collectively(world_, [&] {
    if (failed)
      throw ResultNotWritten(
          "stopped, but the state could not be saved: what was done since the last checkpoint is lost");
  });
}

bool StageControl::settle() {
  writing_ = false;
  const bool valid = saver_ != nullptr && saver_->finish();
  tell_of_checkpoints();
  return valid;
}

void StageControl::tell_of_checkpoints() {
  if (metrics_ == nullptr || saver_ == nullptr) return;
  const CheckpointAccount account = saver_->account();
  metrics_->checkpoints(told_, account);
  told_ = account;
}

/// A disk that hangs stops no step, so that nobody would know. The next warning comes after twice the time.
void StageControl::warn_where_late() {
  if (world_.rank() != 0 || saver_ == nullptr || !saver_->busy()) return;
  const double seconds = seconds_since(saved_at_);
  if (seconds < late_after_) return;
  late_after_ = 2 * seconds;
  log_warning(
      "the checkpoint begun {:.0f} s ago is not on the disk yet; the next waits for it, the run does not",
      seconds);
}

/// The end of the job has to leave time for one more save, and for the longest step.
void StageControl::note_durations() {
  if (saver_ != nullptr) request_.save_took(saver_->account().longest_seconds);
  const Clock::time_point now = Clock::now();
  if (asked_at_) request_.asked_after(std::chrono::duration<double>(now - *asked_at_).count());
  asked_at_ = now;
}

}  // namespace weft
