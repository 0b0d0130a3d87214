#include "weft/ops/progress_line.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "weft/core/log.hpp"

namespace weft {
namespace {

constexpr double kTerminalInterval = 0.1;  // [s]
constexpr double kFirstLogLine = 5;        // [s]
constexpr double kLongestSilence = 600;    // [s]

/// 7 s, 3 min 05 s, 2 h 14 min, 3 d 04 h.
std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {:02} h", whole / 86400, whole % 86400 / 3600);
}

std::string rate_text(double rate, const std::string& unit) {
  return rate >= 100 ? fmt::format("{:.0f} {}/s", rate, unit) : fmt::format("{:.3g} {}/s", rate, unit);
}

std::string count_text(const Progress& progress) {
  if (progress.total <= 0) return fmt::format("{} {}", progress.done, progress.unit);
  const std::int64_t percent = 100 * progress.done / progress.total;
  return fmt::format("{}% {}/{} {}", percent, progress.done, progress.total, progress.unit);
}

/// @param rate  units per second, 0 where it is not known yet.
std::string progress_text(const Progress& progress, double rate) {
  std::string text = fmt::format("{}  {}", progress.stage, count_text(progress));
  if (rate > 0) {
    text += "  " + rate_text(rate, progress.unit);
    const auto left = static_cast<double>(progress.total - progress.done);
    if (progress.total > 0) text += fmt::format("  {} left", duration_text(std::max(0.0, left / rate)));
  }
  if (!progress.detail.empty()) text += "  " + progress.detail;
  return text;
}

std::string summary_text(const Progress& progress, double rate, double seconds) {
  const bool complete = progress.done >= progress.total;
  std::string text = fmt::format(
      "{}  {}", progress.stage,
      complete ? fmt::format("{} {}", progress.done, progress.unit) : "ended at " + count_text(progress));
  text += fmt::format(" in {}", seconds < 10 ? fmt::format("{:.2g} s", seconds) : duration_text(seconds));
  if (rate > 0) text += "  " + rate_text(rate, progress.unit);
  if (!progress.detail.empty()) text += "  " + progress.detail;
  return text;
}

/// Of what was done since the first report, which may have come from the middle of a resumed stage.
double rate_since(const Progress& first, const Progress& last, double seconds) {
  return seconds > 0 ? static_cast<double>(last.done - first.done) / seconds : 0;
}

}  // namespace

ProgressLine::Options ProgressLine::in_log() {
  Options options;
  options.clock = [] { return std::chrono::steady_clock::now().time_since_epoch(); };
  return options;
}

ProgressLine::Options ProgressLine::on_stderr() {
  Options options = in_log();
  if (isatty(STDERR_FILENO) == 0) return options;
  options.terminal = stderr;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) options.columns = size.ws_col;
  return options;
}

ProgressLine::ProgressLine(Options options) : options_(std::move(options)) {}

ProgressLine::~ProgressLine() { finish(); }

ProgressSink ProgressLine::sink() {
  return [this](const Progress& progress) { show(progress); };
}

void ProgressLine::show(const Progress& progress) {
  if (stage_ && stage_->last.stage != progress.stage) finish();
  if (!stage_) begin(progress);
  stage_->last = progress;
  if (progress.total > 0 && progress.done >= progress.total) {
    finish();
  } else if (is_time()) {
    write_line();
  }
}

void ProgressLine::begin(const Progress& progress) {
  const double time = now();
  stage_ = Stage{progress, progress, time, time};
}

bool ProgressLine::is_time() const {
  const double time = now();
  const double growing = std::clamp(0.05 * (time - stage_->begin), kFirstLogLine, kLongestSilence);
  return time - stage_->shown >= (options_.terminal != nullptr ? kTerminalInterval : growing);
}

void ProgressLine::write_line() {
  const double time = now();
  stage_->shown = time;
  const std::string text =
      progress_text(stage_->last, rate_since(stage_->first, stage_->last, time - stage_->begin));
  if (options_.terminal == nullptr) {
    log_info("{}", text);
    return;
  }
  // A line as wide as the terminal would wrap, and a wrapped line cannot be rewritten.
  const std::string cut = text.substr(0, options_.columns - 1);
  std::fputs(fmt::format("\r\x1b[K{}", cut).c_str(), options_.terminal);
  std::fflush(options_.terminal);
}

void ProgressLine::finish() {
  if (!stage_) return;
  const Stage stage = *stage_;
  stage_.reset();
  if (options_.terminal != nullptr) {
    std::fputs("\r\x1b[K", options_.terminal);
    std::fflush(options_.terminal);
  }
  const double seconds = now() - stage.begin;
  log_info("{}", summary_text(stage.last, rate_since(stage.first, stage.last, seconds), seconds));
}

}  // namespace weft
