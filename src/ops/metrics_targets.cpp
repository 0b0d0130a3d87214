#include "weft/ops/metrics_targets.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/core/utf8.hpp"
#include "weft/io/files.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kRetry{20};
constexpr int kTries = 500;  // 10 s

/// Holds a file's lock. The lock is a file of its own, which stays: the file itself is replaced each time.
class FileLock {
 public:
  explicit FileLock(const fs::path& file) : path_(file.string() + ".lock") {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) throw_file_error(path_, "cannot be opened", errno);
    try {
      take();
    } catch (const UserError&) {
      close(descriptor_);
      throw;
    }
  }
  ~FileLock() { close(descriptor_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  /// Does not wait in flock itself: a holder that hangs must not hold this process for good.
  void take() const {
    for (int tries = 0; flock(descriptor_, LOCK_EX | LOCK_NB) != 0; ++tries) {
      if (errno != EWOULDBLOCK && errno != EINTR)
        throw UserError({path_.string(), fmt::format("cannot be locked: {}", std::strerror(errno)), "",
                         "use a file on a file system that has locks (Lustre: -o flock)"});
      if (tries == kTries)
        throw UserError({path_.string(), "another process has held this lock for 10 s", "",
                         "find it, as by `fuser`, and end it"});
      std::this_thread::sleep_for(kRetry);
    }
  }

  fs::path path_;
  int descriptor_;
};

[[noreturn]] void refuse(const fs::path& file, const std::string& found) {
  throw UserError({file.string(), found, R"(a list as [{"targets": ["HOST:PORT"], "labels": {...}}])",
                   "repair or remove it, or use another file"});
}

bool is_entry(const Json& entry) {
  if (!entry.is_object()) return false;
  const auto targets = entry.find("targets");
  const auto labels = entry.find("labels");
  return targets != entry.end() && targets->is_array() && (labels == entry.end() || labels->is_object());
}

Json read_entries(const fs::path& file) {
  std::error_code unknown;  // then reading says why
  if (fs::status(file, unknown).type() == fs::file_type::not_found) return Json::array();
  const Json entries = Json::parse(read_text(file), nullptr, false);
  if (entries.is_discarded()) refuse(file, "not JSON");
  if (!entries.is_array() || !std::all_of(entries.begin(), entries.end(), is_entry))
    refuse(file, "JSON, but no list of targets");
  return entries;
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool is_of_folder(const Json& entry, const std::string& folder) {
  const Json labels = entry.value("labels", Json::object());
  const auto label = labels.find("folder");
  return label != labels.end() && *label == folder;
}

/// The file holds UTF-8 alone; a folder's name may be any bytes.
Json without_folder(const Json& entries, const std::string& folder) {
  Json others = Json::array();
  for (const Json& entry : entries)
    if (!is_of_folder(entry, as_utf8(folder))) others.push_back(entry);
  return others;
}

}  // namespace

void add_target(const fs::path& file, const MetricsTarget& target) {
  const FileLock lock(file);
  Json entries = without_folder(read_entries(file), target.folder);
  entries.push_back({{"targets", Json::array({target.address})},
                     {"labels", {{"run", target.run}, {"folder", target.folder}}}});
  write_text_atomically(file, text_of(entries));
}

void remove_target(const fs::path& file, const std::string& folder) {
  std::error_code unknown;  // then the lock cannot be had, which says why
  if (fs::status(file, unknown).type() == fs::file_type::not_found) return;
  const FileLock lock(file);
  const Json entries = read_entries(file);
  const Json others = without_folder(entries, folder);
  if (others != entries) write_text_atomically(file, text_of(others));
}

}  // namespace weft
