#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"
#include "weft/io/checkpoint.hpp"

#include "io/checkpoint_folders.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

/// What is wrong with a checkpoint; empty where it is sound.
std::string damage_in(const StepFolder& folder) {
  if (!folder.damage.empty()) return folder.damage;
  try {
    Checkpoint(folder.path).verify();
    return "";
  } catch (const UserError& error) {
    return error.what();
  }
}

}  // namespace

fs::path latest_checkpoint(const fs::path& root) {
  const std::vector<StepFolder> folders = step_folders(root);
  if (folders.empty())
    throw UserError({root.string(), "no checkpoint: there is no folder step_*", "", "train first"});
  // One whose manifest cannot be read may be the newest if its step is the highest: it is then refused when
  // it is opened, rather than passed over.
  const auto highest = std::ranges::max_element(folders, {}, &StepFolder::step);
  return highest->damage.empty() ? folders.front().path : highest->path;
}

std::optional<fs::path> newest_sound_checkpoint(const fs::path& root) {
  const InSection reading(Section::read);
  std::vector<StepFolder> folders = step_folders(root);
  if (folders.empty()) return std::nullopt;
  // How new those are that have no number is not known, but they must not go unmentioned.
  std::ranges::stable_partition(folders, [](const StepFolder& folder) { return !folder.damage.empty(); });
  std::vector<std::string> damages;
  for (const StepFolder& folder : folders) {
    if (const std::string damage = damage_in(folder); !damage.empty()) {
      damages.push_back(damage);
      continue;
    }
    for (const std::string& damage : damages)
      log_warning("a damaged checkpoint, {} is taken instead: {}", folder.path.filename().string(), damage);
    return folder.path;
  }
  throw UserError({root.string(), fmt::format("no checkpoint is sound: {}", fmt::join(damages, "; and ")), "",
                   "copy a sound one there, or remove them all to begin anew"});
}

}  // namespace weft
