#include "io/checkpoint_folders.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "io/manifest.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTemporary = ".tmp";

std::optional<std::int64_t> step_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const std::string digits = name.starts_with("step_") ? name.substr(5) : "";
  const bool is_step = digits.size() == 12 && std::all_of(digits.begin(), digits.end(), [](unsigned char c) {
                         return std::isdigit(c) != 0;
                       });
  return is_step ? std::optional(std::stoll(digits)) : std::nullopt;
}

StepFolder describe(const fs::path& path, std::int64_t step) {
  StepFolder folder{path, step, 0, ""};
  try {
    folder.number = read_manifest(path).info.number;
  } catch (const UserError& error) {
    folder.damage = error.what();
  }
  return folder;
}

bool is_newer(const StepFolder& one, const StepFolder& other) {
  return std::tie(one.number, one.step) > std::tie(other.number, other.step);
}

bool is_given_up(const StepFolder& other, const CheckpointInfo& current) {
  return other.number >= current.number;
}

bool is_major(const StepFolder& folder, const Retention& retention) {
  return retention.major > 0 && folder.number > 0 && folder.number % retention.major == 0;
}

}  // namespace

fs::path step_folder(const fs::path& root, std::int64_t step) {
  return root / fmt::format("step_{:012}", step);
}

fs::path temporary_folder(const fs::path& root, std::int64_t step) {
  return step_folder(root, step).string() + kTemporary;
}

std::vector<StepFolder> step_folders(const fs::path& root) {
  std::error_code ignored;
  if (!fs::exists(root, ignored)) return {};
  std::vector<StepFolder> folders;
  for (const fs::path& entry : list_folder(root)) {
    if (const std::optional<std::int64_t> step = step_of(entry)) folders.push_back(describe(entry, *step));
  }
  std::sort(folders.begin(), folders.end(), is_newer);
  return folders;
}

void remove_leftovers(const fs::path& root) {
  for (const fs::path& entry : list_folder(root)) {
    if (entry.extension() == kTemporary) remove_tree(entry);
  }
}

void remove_superseded(const fs::path& root, const CheckpointInfo& current, const Retention& retention) {
  std::int64_t kept = 1;
  for (const StepFolder& other : step_folders(root)) {
    if (other.path == step_folder(root, current.step)) continue;
    if (is_given_up(other, current)) {
      remove_whole(other.path);
    } else if (kept < retention.keep) {
      ++kept;
    } else if (!is_major(other, retention)) {
      remove_whole(other.path);
    }
  }
}

}  // namespace weft
