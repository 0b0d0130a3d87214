#include "weft/ops/memory.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <malloc.h>

#include "weft/core/error.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

/// The number behind a word at the beginning of a line.
std::optional<std::int64_t> number_behind(const std::string& name, const fs::path& file) {
  std::ifstream lines(file);
  for (std::string word; lines >> word; lines.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    std::int64_t number = 0;
    if (word == name && lines >> number) return number;
  }
  return std::nullopt;
}

std::int64_t bytes_behind(const std::string& name, const fs::path& file) {
  const auto kibibytes = number_behind(name, file);
  if (!kibibytes) throw InternalError(fmt::format("no {} in {}", name, file.string()));
  return 1024 * *kibibytes;
}

/// How a version of the control groups names things.
struct GroupNames {
  const char* root;   ///< folder of the topmost group
  const char* limit;  ///< file with the limit [bytes]; "max", or a number beyond all memories, is none
  const char* used;   ///< file with what the group holds [bytes]
  const char* inactive_files;  ///< line of memory.stat with what of this are files that may go [bytes]
};

constexpr GroupNames kVersion1{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_inactive_file"};
constexpr GroupNames kVersion2{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"};

/// The group that holds this process, by a line of /proc/self/cgroup; empty for the topmost.
std::optional<fs::path> own_group(const std::string& line, const GroupNames& names) {
  const std::size_t first = line.find(':');
  const std::size_t second = line.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
  const bool is_it =
      &names == &kVersion2 ? controllers == ",," : controllers.find(",memory,") != std::string::npos;
  if (!is_it) return std::nullopt;
  return fs::path(line.substr(second + 1)).relative_path();
}

std::optional<std::int64_t> number_in(const fs::path& file) {
  std::int64_t number = 0;
  if (std::ifstream(file) >> number) return number;
  return std::nullopt;
}

void bound_by_group(MachineMemory& memory, const fs::path& group, const GroupNames& names) {
  const auto limit = number_in(group / names.limit);
  if (!limit) return;
  const std::int64_t used = number_in(group / names.used).value_or(0);
  const std::int64_t files = number_behind(names.inactive_files, group / "memory.stat").value_or(0);
  const std::int64_t left = *limit - std::max<std::int64_t>(used - files, 0);
  memory.total = std::min(memory.total, *limit);
  memory.available = std::clamp<std::int64_t>(left, 0, memory.available);
}

/// The limits of all groups around the process count. In a container the path may be that of the machine, of
/// which only the end, or nothing, is seen: what is not there has no limit.
void bound_by_groups(MachineMemory& memory, const fs::path& root, const GroupNames& names) {
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    std::optional<fs::path> group = own_group(line, names);
    if (!group) continue;
    for (; !group->empty(); group = group->parent_path())
      bound_by_group(memory, root / names.root / *group, names);
    bound_by_group(memory, root / names.root, names);
  }
}

}  // namespace

std::int64_t peak_resident_bytes() { return bytes_behind("VmHWM:", "/proc/self/status"); }

std::int64_t resident_bytes() { return bytes_behind("VmRSS:", "/proc/self/status"); }

MachineMemory machine_memory(const fs::path& root) {
  const fs::path file = root / "proc/meminfo";
  MachineMemory memory{bytes_behind("MemAvailable:", file), bytes_behind("MemTotal:", file)};
  for (const GroupNames* names : {&kVersion1, &kVersion2}) bound_by_groups(memory, root, *names);
  return memory;
}

void return_freed_memory() { mallopt(M_MMAP_THRESHOLD, 1 << 20); }

}  // namespace weft
