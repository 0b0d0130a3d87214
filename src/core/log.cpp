#include "weft/core/log.hpp"

#include <chrono>
#include <cstdio>
#include <memory>

#include <fmt/chrono.h>
#include <nlohmann/json.hpp>
#include <spdlog/formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"

namespace weft {
namespace {

struct Outputs {
  LogStyle style;
  std::shared_ptr<spdlog::logger> terminal;
  std::shared_ptr<spdlog::logger> file;
};

Outputs& outputs() {
  static Outputs instance;
  return instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  throw InternalError("an unknown log level");
}

/// One object a line. What is no UTF-8, as a file's name may be, is replaced.
class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(int rank) : rank_(rank) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const Whereabouts where = whereabouts();
    const nlohmann::ordered_json json = {
        {"time", utc(message.time)},
        {"level", std::string(level.data(), level.size())},
        {"rank", rank_},
        {"stage", where.stage},
        {"step", where.step},
        {"message", std::string(message.payload.data(), message.payload.size())}};
    const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    line.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(rank_); }

 private:
  static std::string utc(spdlog::log_clock::time_point time) {
    const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(time);
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), rest);
  }

  int rank_;
};

void set_format(spdlog::logger& logger, const std::string& pattern) {
  const LogStyle& style = outputs().style;
  if (style.format == LogFormat::json) {
    logger.set_formatter(std::make_unique<JsonFormatter>(style.rank));
  } else {
    logger.set_pattern(pattern);
  }
}

std::shared_ptr<spdlog::logger> terminal_logger(LogLevel level) {
  const LogStyle& style = outputs().style;
  auto logger =
      std::make_shared<spdlog::logger>("terminal", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  set_format(*logger, style.ranks == 1 ? "%v" : fmt::format("[rank {}] %v", style.rank));
  logger->set_level(spdlog_level(level));
  return logger;
}

}  // namespace

void log(LogLevel level, std::string_view line) {
  for (const auto& logger : {outputs().terminal, outputs().file}) {
    if (logger) logger->log(spdlog_level(level), line);
  }
}

void set_log_style(const LogStyle& style) { outputs().style = style; }

void log_to_terminal(LogLevel level) { outputs().terminal = terminal_logger(level); }

void log_to_file(const std::filesystem::path& path) {
  try {
    auto logger = std::make_shared<spdlog::logger>(
        "file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string()));
    set_format(*logger, fmt::format("%Y-%m-%d %H:%M:%S.%e %l rank {} %v", outputs().style.rank));
    logger->flush_on(spdlog::level::info);
    outputs().file = std::move(logger);
  } catch (const spdlog::spdlog_ex& error) {
    throw UserError(
        {path.string(), error.what(), "a file that can be written", "check permissions and free space"});
  }
}

void log_failure(const std::string& reason) {
  if (outputs().style.format == LogFormat::json) {
    terminal_logger(LogLevel::error)->error(reason);
  } else {
    std::fputs(fmt::format("weft: {}\n", reason).c_str(), stderr);
  }
  std::fflush(stderr);
  if (outputs().file) outputs().file->error(reason);
}

}  // namespace weft
