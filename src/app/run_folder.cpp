#include "weft/app/run_folder.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.hpp"
#include "weft/core/version.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/files.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kResolved = "# Resolved by weft ";

nlohmann::json read_json(const fs::path& path) {
  const nlohmann::json json = nlohmann::json::parse(read_text(path), nullptr, false);
  if (json.is_discarded()) {
    throw UserError(
        {path.string(), "not JSON", "a file that weft wrote", "remove it, or take another --output"});
  }
  return json;
}

void save_timings(const RunFolder& folder, const nlohmann::json& timings) {
  write_text_atomically(folder.timings(), timings.dump(2) + "\n");
}

/// Tells one state of a file that `key` names from another.
std::string mark_of(const std::string& key, const fs::path& file, const std::string& expected) {
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  if (error) {
    throw UserError({key, fmt::format("{}: {}", file.string(), error.message()), expected,
                     "check the path; it is relative to the working directory"});
  }
  return fmt::format("-{:x}-{:x}", bytes, fs::last_write_time(file).time_since_epoch().count());
}

/// Empty where the newest checkpoint is that of a training under way, or damaged: then the training goes on
/// from the newest that is sound.
std::string key_of_training(const fs::path& checkpoints) {
  try {
    const Checkpoint newest(latest_checkpoint(checkpoints));
    if (!newest.info().complete) return "";
    newest.verify();
    return newest.info().config_hash;
  } catch (const UserError&) {
    return "";
  }
}

/// The content of the report's meta tag.
std::string key_of_report(const fs::path& page) {
  const std::string text = read_text(page);
  const std::string tag = "<meta name=\"weft-config-hash\" content=\"";
  const std::size_t begin = text.find(tag);
  if (begin == std::string::npos) return "";
  const std::size_t value = begin + tag.size();
  return text.substr(value, text.find('"', value) - value);
}

}  // namespace

fs::path group_file(const TrainingConfig& training) {
  return training.psi_groups == "types" ? fs::path() : training.psi_groups;
}

fs::path initial_checkpoint(const fs::path& model) {
  if (fs::exists(model / "manifest.json")) return model;
  const fs::path root = RunFolder{model}.checkpoints();
  if (fs::exists(root / "latest")) return latest_checkpoint(root);
  throw UserError({"training.initial_model", model.string() + " holds no checkpoint",
                   "the folder of a run that was trained, or a checkpoint",
                   "check the path; it is relative to the working directory"});
}

std::string stage_key(const Config& config, Stage stage) {
  std::string key = stage_hash(config, stage);
  if (stage == Stage::simulate) return key;
  const TrainingConfig& training = config.training;
  if (!config.data.path.empty()) key += mark_of("data.path", config.data.path, "an HDF5 dataset");
  if (const fs::path groups = group_file(training); !groups.empty())
    key += mark_of("training.psi_groups", groups, "types, or a file with a group for each neuron");
  if (!training.initial_model.empty())
    key += mark_of("training.initial_model", initial_checkpoint(training.initial_model) / "manifest.json",
                   "a checkpoint");
  return key;
}

std::string finished_key(const RunFolder& folder, Stage stage) {
  switch (stage) {
    case Stage::simulate:
      return fs::exists(folder.dataset()) ? Dataset(folder.dataset()).info().config_hash : "";
    case Stage::train:
      return key_of_training(folder.checkpoints());
    case Stage::evaluate:
      return fs::exists(folder.metrics())
                 ? read_json(folder.metrics()).value("/provenance/config_hash"_json_pointer, "")
                 : "";
    case Stage::report:
      return fs::exists(folder.report()) ? key_of_report(folder.report()) : "";
  }
  throw InternalError("an unknown stage");
}

fs::path states_of(const RunFolder& folder, Stage stage) {
  if (stage == Stage::simulate) return folder.data_states();
  return stage == Stage::train ? folder.checkpoints() : fs::path();
}

void discard(const RunFolder& folder, Stage stage) {
  nlohmann::json timings = load_timings(folder);
  timings.erase(stage_name(stage));
  save_timings(folder, timings);
  switch (stage) {
    case Stage::simulate:
      remove_whole(folder.data());
      remove_whole(folder.data_under_way());
      remove_tree(folder.data_resharded());
      break;
    case Stage::train:
      remove_whole(folder.checkpoints());
      break;
    case Stage::evaluate:
      remove_tree(folder.metrics());
      remove_tree(folder.neurons());
      break;
    case Stage::report:
      remove_tree(folder.report());
      break;
  }
}

bool is_resolved(const fs::path& config) { return read_text(config).starts_with(kResolved); }

void save_config(const RunFolder& folder, const Config& config) {
  write_text_atomically(folder.config(), fmt::format("{}{}\n{}", kResolved, version_line(), to_yaml(config)));
}

nlohmann::json load_timings(const RunFolder& folder) {
  return fs::exists(folder.timings()) ? read_json(folder.timings()) : nlohmann::json::object();
}

void save_timing(const RunFolder& folder, Stage stage, const nlohmann::json& timing) {
  nlohmann::json timings = load_timings(folder);
  timings[stage_name(stage)] = timing;
  save_timings(folder, timings);
}

}  // namespace weft
