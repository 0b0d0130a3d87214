#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "weft/ops/launcher_check.hpp"

namespace weft {

/// Holds a run's folder for this process, so that two runs never write into one folder.
///
/// The lock is the kernel's (flock on `<folder>/.lock`): it ends with the process however that dies, so no
/// stale lock ever needs to be removed by hand. The file itself stays; it says who holds the lock, and
/// nothing after an end in order. Local: one rank of a run takes it.
class RunLock {
 public:
  /// @throws UserError where another process holds the folder (named with its pid, host, time and Slurm job),
  ///   where the file cannot be made or locked, and where the file system knows no locks.
  explicit RunLock(
      const std::filesystem::path& folder,
      const EnvironmentLookup& lookup = [](const char* name) { return std::getenv(name); });
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Who held the folder before and did not end in order: "process 4242 on node7 since 2025-03-01 12:00:00
  /// UTC, Slurm job 77".
  const std::optional<std::string>& left_behind() const { return left_behind_; }

 private:
  int descriptor_;
  std::optional<std::string> left_behind_;
};

}  // namespace weft
