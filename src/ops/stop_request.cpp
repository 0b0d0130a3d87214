#include "weft/ops/stop_request.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

constexpr std::array kSignals{SIGUSR1, SIGTERM, SIGINT};
// What is left before the end of a job: for the step under way, the save and the end of all ranks.
constexpr double kMargin = 120;  // [s]
constexpr double kSaves = 3;

volatile std::sig_atomic_t noted_signal = 0;
std::array<struct sigaction, kSignals.size()> former_actions;

extern "C" void note_signal(int signal) {
  const bool ends = signal != SIGUSR1;
  if (ends && (noted_signal == SIGTERM || noted_signal == SIGINT)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);  // taken when this handler returns
    return;
  }
  noted_signal = signal;
}

std::optional<double> job_end(const EnvironmentLookup& lookup) {
  const char* const text = lookup("SLURM_JOB_END_TIME");
  if (text == nullptr || *text == '\0') return std::nullopt;
  long long seconds = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, seconds);
  if (error == std::errc() && stop == end && seconds >= 0) return static_cast<double>(seconds);
  throw UserError(
      {"SLURM_JOB_END_TIME", fmt::format("'{}'", text), "seconds since 1970, as Slurm sets it", "unset it"});
}

}  // namespace

StopRequest::StopRequest(Options options)
    : options_(std::move(options)), begin_(options_.now()), job_end_(job_end(options_.lookup)) {
  noted_signal = 0;
  for (std::size_t k = 0; k < kSignals.size(); ++k) {
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;  // a collective under way goes on
    sigaction(kSignals[k], &action, &former_actions[k]);
  }
}

StopRequest::~StopRequest() {
  for (std::size_t k = 0; k < kSignals.size(); ++k) sigaction(kSignals[k], &former_actions[k], nullptr);
}

std::optional<std::string> StopRequest::reason() const {
  if (const int signal = noted_signal; signal != 0) return fmt::format("SIG{}", sigabbrev_np(signal));
  if (!options_.watches_clock) return std::nullopt;
  const double now = options_.now();
  if (options_.max_hours && now - begin_ >= 3600 * *options_.max_hours)
    return fmt::format("--max-hours {:g}", *options_.max_hours);
  const double left = kMargin + kSaves * longest_save_;
  if (job_end_ && now >= *job_end_ - left)
    return fmt::format("the Slurm job ends in {:.0f} s", *job_end_ - now);
  return std::nullopt;
}

void StopRequest::save_took(double seconds) { longest_save_ = std::max(longest_save_, seconds); }

}  // namespace weft
