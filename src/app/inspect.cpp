#include "weft/app/inspect.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weft/app/run_folder.hpp"
#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/files.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

std::string dataset_text(const fs::path& file) {
  const DatasetInfo& info = Dataset(file).info();
  std::string text =
      fmt::format("dataset {}\n  {} frames of {} neurons, dt {} time units, {} {}\n", file.string(),
                  info.frames, info.neurons, info.dt, info.trajectory_starts.size(),
                  info.trajectory_starts.size() == 1 ? "trajectory" : "trajectories");
  text += fmt::format("  derivative: {}, truth: {}\n", info.has_derivative ? "yes" : "no",
                      info.has_truth ? "yes" : "no");
  if (!info.version.empty())
    text += fmt::format("  simulated by weft {}, config {}\n", info.version, info.config_hash);
  return text;
}

std::string checkpoint_text(const fs::path& folder) {
  const Checkpoint checkpoint(folder);
  const CheckpointInfo& info = checkpoint.info();
  checkpoint.verify();
  std::string text = fmt::format(
      "checkpoint {}\n  {}, step {} of method {}, {} neurons, config {}\n  written by weft {}; checksums "
      "agree\n",
      folder.string(), info.complete ? "complete" : "a state under way", info.step, info.method, info.neurons,
      info.config_hash, info.version);
  for (const auto& [name, shape] : checkpoint.arrays())
    text += fmt::format("  {:<36} ({})\n", name, fmt::join(shape, " x "));
  return text;
}

std::string metrics_text(const fs::path& file) {
  const nlohmann::json metrics = nlohmann::json::parse(read_text(file), nullptr, false);
  if (metrics.is_discarded())
    throw UserError({file.string(), "not JSON", "metrics that weft wrote", "evaluate again"});
  std::string text = fmt::format("metrics {}\n", file.string());
  const nlohmann::json numbers = metrics.flatten();  // "/connectivity/r2": 0.99
  for (const auto& [pointer, value] : numbers.items()) {
    std::string name = pointer.substr(1);
    std::ranges::replace(name, '/', '.');
    text += fmt::format("  {} = {}\n", name, value.dump());
  }
  return text;
}

std::string run_text(const RunFolder& folder) {
  std::string text = fmt::format("run {}\n", folder.path.string());
  if (fs::exists(folder.dataset())) text += dataset_text(folder.dataset());
  if (fs::exists(folder.checkpoints() / "latest"))
    text += checkpoint_text(latest_checkpoint(folder.checkpoints()));
  if (fs::exists(folder.metrics())) text += metrics_text(folder.metrics());
  if (fs::exists(folder.report())) text += fmt::format("report {}\n", folder.report().string());
  return text;
}

}  // namespace

std::string inspect(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    throw UserError({path.string(), error ? error.message() : "not there",
                     "a dataset, a checkpoint or the folder of a run", "check the path"});
  }
  if (!fs::is_directory(path)) return dataset_text(path);
  if (fs::exists(path / "manifest.json")) return checkpoint_text(path);
  if (fs::exists(path / "config.yaml")) return run_text({path});
  throw UserError({path.string(), "neither manifest.json nor config.yaml is in this folder",
                   "a dataset, a checkpoint or the folder of a run", "check the path"});
}

}  // namespace weft
