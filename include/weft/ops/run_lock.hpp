#pragma once

#include <filesystem>

namespace weft {

/// Holds a run's folder for this process, so that two runs never write into one folder.
///
/// The lock is the kernel's (flock on `<folder>/.lock`): it ends with the process however that dies, so no
/// stale lock ever needs to be removed by hand. The file itself stays. Local: one rank of a run takes it.
class RunLock {
 public:
  /// @throws UserError where another process holds the folder (named with its pid and host), or where the
  /// file cannot be
  ///   made or locked.
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace weft
