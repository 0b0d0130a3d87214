#pragma once

#include <filesystem>
#include <string>

namespace weft {

/// Where a run's metrics are served.
struct MetricsTarget {
  std::string address;  ///< HOST:PORT
  std::string run;      ///< its name
  std::string folder;   ///< which tells it from others of its name
};

/// Lists a run in a file that Prometheus reads its targets from (file_sd_configs): a JSON array of
/// {"targets": ["HOST:PORT"], "labels": {"run": ..., "folder": ...}}. Replaces what was listed under the same
/// folder, and leaves all else as it is. Several processes and machines may do so at a time: they wait for
/// each other, by flock on `<file>.lock`, and a reader sees the old list or the new. Local.
/// @throws UserError where the file is there and is no such array (it is then left alone), where it or its
///   lock cannot be read or written, or where another process holds the lock for 10 s.
void add_target(const std::filesystem::path& file, const MetricsTarget& target);

/// Takes out what is listed under the folder; nothing there is no error. Local. @throws UserError likewise
void remove_target(const std::filesystem::path& file, const std::string& folder);

}  // namespace weft
