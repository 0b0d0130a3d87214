#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace weft {

enum class LogLevel { info, warning, error, off };

/// Lines for people, or one JSON object a line: time (UTC), level, rank, stage, step, message.
enum class LogFormat { text, json };

/// Hands a line to whatever the program attached; the library itself never prints. Safe from any thread.
/// Local.
void log(LogLevel level, std::string_view line);

template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}

/// Whose lines these are, and how they are written.
struct LogStyle {
  int rank = 0;
  int ranks = 1;  ///< one alone is not named on the terminal
  LogFormat format = LogFormat::text;
};

/// For the program: the style of what is attached from then on.
void set_log_style(const LogStyle& style);
/// For the program: shows lines of `level` and above on stderr: `step 7`, or `[rank 2] step 7`.
void log_to_terminal(LogLevel level);
/// For the program: also appends every line of level info and above to a file, with the time and the rank,
/// behind what an earlier run wrote.
/// @throws UserError where the file cannot be opened.
void log_to_file(const std::filesystem::path& path);
/// For the program: why it fails. On stderr whatever the level, as `weft: reason` where lines are text, and
/// in the file, if there is one. That nobody can hear it, for its disk is full, changes nothing.
void log_failure(const std::string& reason);

}  // namespace weft
