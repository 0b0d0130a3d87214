#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "weft/io/checkpoint.hpp"

namespace weft {

/// The folder of a checkpoint, `<root>/step_<12 digits>`.
struct StepFolder {
  std::filesystem::path path;
  std::int64_t step = 0;
  std::int64_t number = 0;  ///< 0 in those of a former format, and where the manifest cannot be read
  std::string damage;       ///< why the manifest cannot be read; empty where it can
};

/// The folder of the checkpoint of a step.
std::filesystem::path step_folder(const std::filesystem::path& root, std::int64_t step);
/// Where a checkpoint is written before it gets its name.
std::filesystem::path temporary_folder(const std::filesystem::path& root, std::int64_t step);

/// All checkpoints below `root`, the newest first: those of the highest number, and among the same numbers of
/// the highest step. None where there is no such folder. Local. @throws UserError
std::vector<StepFolder> step_folders(const std::filesystem::path& root);

/// Removes what saves that were killed left behind. Local. @throws UserError
void remove_leftovers(const std::filesystem::path& root);
/// Removes what is not to stay beside the checkpoint `current`, which is valid by now. Local.
/// @throws UserError
void remove_superseded(const std::filesystem::path& root, const CheckpointInfo& current,
                       const Retention& retention);

}  // namespace weft
