#include "weft/core/log.hpp"

#include <memory>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

struct Outputs {
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

}  // namespace

void log(LogLevel level, std::string_view line) {
  for (const auto& logger : {outputs().terminal, outputs().file}) {
    if (logger) logger->log(spdlog_level(level), line);
  }
}

void log_to_terminal(LogLevel level) {
  auto logger =
      std::make_shared<spdlog::logger>("terminal", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%v");
  logger->set_level(spdlog_level(level));
  outputs().terminal = std::move(logger);
}

void log_to_file(const std::filesystem::path& path) {
  try {
    auto logger = std::make_shared<spdlog::logger>(
        "file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string()));
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    logger->flush_on(spdlog::level::info);
    outputs().file = std::move(logger);
  } catch (const spdlog::spdlog_ex& error) {
    throw UserError(
        {path.string(), error.what(), "a file that can be written", "check permissions and free space"});
  }
}

}  // namespace weft
