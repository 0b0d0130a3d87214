#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "weft/app/pipeline.hpp"
#include "weft/core/log.hpp"
#include "weft/ops/metrics_service.hpp"

namespace weft {

enum class Verb { stages, config, reference, inspect, version, help };

/// What the user asked for.
struct CommandLine {
  Verb verb = Verb::help;
  std::filesystem::path target;        ///< the config, or what to inspect
  std::filesystem::path output;        ///< empty: runs/<name>
  std::vector<std::string> overrides;  ///< key.path=value
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  MetricsOptions metrics;
  std::optional<double> max_hours;  ///< of this job; then it stops
  Request request;
  std::string help;  ///< the text to print where the verb is help
};

/// Exit codes of `weft`, as the help documents them.
enum class ExitCode { done = 0, failure = 1, user_mistake = 2, stopped = 75 };

/// Reads the arguments (CLI11). Local. @throws UserError for an unknown command, option or value.
CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace weft
