#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "weft/config/config.hpp"

namespace weft {

/// The folder of one run, runs/<name>, and where its files lie (docs/file-formats.md). Local.
struct RunFolder {
  std::filesystem::path path;

  std::filesystem::path config() const { return path / "config.yaml"; }
  std::filesystem::path data() const { return path / "data"; }
  std::filesystem::path data_under_way() const { return path / "data.tmp"; }
  /// The same, while it is made from the shards of another number of ranks.
  std::filesystem::path data_resharded() const { return path / "data.resharded.tmp"; }
  /// Of the simulation under way.
  std::filesystem::path data_states() const { return data_under_way() / "checkpoints"; }
  std::filesystem::path dataset() const { return data() / "activity.h5"; }
  std::filesystem::path checkpoints() const { return path / "checkpoints"; }
  std::filesystem::path results() const { return path / "results"; }
  std::filesystem::path metrics() const { return results() / "metrics.json"; }
  std::filesystem::path neurons() const { return results() / "neurons.csv"; }
  std::filesystem::path figures() const { return results() / "evaluation.h5"; }
  std::filesystem::path report() const { return results() / "report.html"; }
  std::filesystem::path timings() const { return path / "log" / "timings.json"; }
  std::filesystem::path log() const { return path / "log" / "weft.log"; }
};

/// The file that training.psi_groups names; empty where it names the types or nothing.
std::filesystem::path group_file(const TrainingConfig& training);

/// The checkpoint folder that training.initial_model names, itself or as that of a run. @throws UserError
/// where there is none.
std::filesystem::path initial_checkpoint(const std::filesystem::path& model);

/// What a stage's result depends on: the hash of the config keys that matter to it, and size and time of
/// change of the files that these name: a dataset, groups of psi, an initial model. @throws UserError where
/// one is missing.
std::string stage_key(const Config& config, Stage stage);

/// The key that a finished stage left in its result; empty where it is not finished.
std::string finished_key(const RunFolder& folder, Stage stage);

/// Where the checkpoints of a stage under way lie; empty for a stage that has none.
std::filesystem::path states_of(const RunFolder& folder, Stage stage);

/// Removes the result of a stage, or what there is of it, and what it noted of itself. To be called for later
/// stages first: what they made of it is void without it.
void discard(const RunFolder& folder, Stage stage);

/// Writes config.yaml: the resolved config under a comment with version and commit.
void save_config(const RunFolder& folder, const Config& config);

/// Whether a config.yaml is one that save_config wrote.
bool is_resolved(const std::filesystem::path& config);

/// What the finished stages noted of themselves: seconds, ranks, threads, peak bytes. An empty object before
/// the first.
nlohmann::json load_timings(const RunFolder& folder);
void save_timing(const RunFolder& folder, Stage stage, const nlohmann::json& timing);

}  // namespace weft
