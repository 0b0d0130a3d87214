#include "weft/ops/stop_request.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

constexpr std::array kSignals{SIGUSR1, SIGTERM, SIGINT};
// What is left before the end of a job: for the step under way, the save and the end of all ranks.
constexpr double kMargin = 120;  // [s]
constexpr double kSaves = 3;
/// Whoever ends a job may do so twice, one signal to each process and one that mpirun passes on [ns].
constexpr std::int64_t kOneEnd = 500'000'000;

// The handler may run on any thread.
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);
std::atomic<int> noted_signal = 0;
std::atomic<std::int64_t> noted_end = 0;  // when SIGTERM or SIGINT came first, or 0 [ns]
std::array<struct sigaction, kSignals.size()> former_actions;
bool handled = false;

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // one of the few calls that a handler may make
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// Whether this signal to end comes behind another one.
bool is_second_end() {
  std::int64_t first = 0;
  const std::int64_t now = now_ns();
  return !noted_end.compare_exchange_strong(first, now) && now - first >= kOneEnd;
}

extern "C" void note_signal(int signal) {
  if (signal != SIGUSR1 && is_second_end()) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);  // taken when this handler returns
    return;
  }
  noted_signal = signal;
}

std::optional<double> job_end(const StopRequest::Options& options) {
  constexpr const char* kVariable = "SLURM_JOB_END_TIME";
  const char* const text = options.lookup(kVariable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const char* const end = text + std::strlen(text);
  std::int64_t seconds = 0;
  const auto [stop, error] = std::from_chars(text, end, seconds);
  if (error != std::errc() || stop != end || seconds < 0)
    throw UserError({kVariable, fmt::format("\"{}\"", text), "seconds since 1970, as Slurm sets it",
                     fmt::format("unset {}", kVariable)});
  if (static_cast<double>(seconds) <= options.now()) return std::nullopt;
  return static_cast<double>(seconds);
}

}  // namespace

StopRequest::StopRequest(Options options)
    : options_(std::move(options)), begin_(options_.now()), job_end_(job_end(options_)) {
  require(!std::exchange(handled, true), "a second handler of signals in one process");
  noted_signal = 0;
  noted_end = 0;
  for (std::size_t k = 0; k < kSignals.size(); ++k) {
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;  // whatever the signal interrupts goes on
    sigaction(kSignals[k], &action, &former_actions[k]);
  }
}

StopRequest::~StopRequest() {
  for (std::size_t k = 0; k < kSignals.size(); ++k) sigaction(kSignals[k], &former_actions[k], nullptr);
  handled = false;
}

std::optional<std::string> StopRequest::reason() const {
  if (const int signal = noted_signal; signal != 0) return fmt::format("SIG{}", sigabbrev_np(signal));
  if (!options_.watches_clock) return std::nullopt;
  const double now = options_.now();
  if (options_.max_hours && now - begin_ >= 3600 * *options_.max_hours)
    return fmt::format("--max-hours {:g}", *options_.max_hours);
  const double left = kMargin + longest_pause_ + kSaves * longest_save_;
  if (job_end_ && now >= *job_end_ - left)
    return fmt::format("the Slurm job ends in {:.0f} s", std::max(0.0, *job_end_ - now));
  return std::nullopt;
}

void StopRequest::save_took(double seconds) { longest_save_ = std::max(longest_save_, seconds); }

void StopRequest::asked_after(double seconds) { longest_pause_ = std::max(longest_pause_, seconds); }

}  // namespace weft
