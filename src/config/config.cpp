#include "weft/config/config.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "weft/config/schema.hpp"
#include "weft/core/error.hpp"

#include "reader.hpp"

namespace weft {
namespace {

constexpr std::int64_t kLeastBurnInForNoise = 100;
/// A longer file is no config; some, such as /dev/zero, never end.
constexpr std::size_t kMostBytes = 1 << 20;

[[noreturn]] void refuse_file(const std::filesystem::path& file, const std::string& why) {
  throw UserError(
      {file.string(), why, "a config in YAML",
       fmt::format("check the path; relative ones start at {}", std::filesystem::current_path().string())});
}

std::string text_of_file(const std::filesystem::path& file) {
  std::error_code unreadable;  // opening the file says why
  if (std::filesystem::is_directory(file, unreadable)) refuse_file(file, "a folder");
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) refuse_file(file, std::strerror(errno));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kMostBytes) refuse_file(file, "more than a megabyte long");
  return text;
}

/// What no key can tell alone.
void check_together(const Config& config, const std::string& origin) {
  const auto types = static_cast<std::int64_t>(config.simulation.types.size());
  if (config.simulation.neurons < types) {
    throw UserError({origin + ": simulation.neurons",
                     fmt::format("{} neurons of {} types", config.simulation.neurons, types),
                     fmt::format("at least {}, one of each type", types), "add neurons or remove types"});
  }
  if (config.simulation.derivative_snr_db && config.simulation.burn_in < kLeastBurnInForNoise) {
    throw UserError(
        {origin + ": simulation.burn_in",
         fmt::format("{} steps with a derivative_snr_db of {}", config.simulation.burn_in,
                     *config.simulation.derivative_snr_db),
         fmt::format("at least {}, from which the size of the noise is found", kLeastBurnInForNoise),
         "raise simulation.burn_in or set simulation.derivative_snr_db: none"});
  }
  const bool batches = config.training.method == TrainingMethod::adam;
  if (batches && config.training.batch_size % config.training.replicas != 0) {
    throw UserError(
        {origin + ": training.batch_size",
         fmt::format("{} frames for {} replicas", config.training.batch_size, config.training.replicas),
         fmt::format("a multiple of training.replicas, {}", config.training.replicas),
         "change training.batch_size or training.replicas"});
  }
}

}  // namespace

Config parse_config(const std::string& yaml, const std::string& origin, const Overrides& overrides) {
  Config config = default_config();
  config.name = std::filesystem::path(origin).stem().string();
  read_document(yaml, origin, config);
  for (const std::string& text : overrides) read_override(text, config);
  check_together(config, origin);
  return config;
}

Config load_config(const std::filesystem::path& file, const Overrides& overrides) {
  return parse_config(text_of_file(file), file.string(), overrides);
}

}  // namespace weft
