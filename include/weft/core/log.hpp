#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace weft {

enum class LogLevel { info, warning, error, off };

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

/// For the program: shows lines of `level` and above on stderr.
void log_to_terminal(LogLevel level);
/// For the program: also appends every line of level info and above to a file, with the time, behind what an
/// earlier run wrote.
/// @throws UserError where the file cannot be opened.
void log_to_file(const std::filesystem::path& path);

}  // namespace weft
