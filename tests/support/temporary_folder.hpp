#pragma once

#include <filesystem>
#include <memory>

#include "weft/comm/communicator.hpp"

namespace weft {

/// A fresh folder below the system's folder for temporary files, removed with all that is in it on
/// destruction.
class TemporaryFolder {
 public:
  /// For this rank alone. Local.
  TemporaryFolder();
  /// One folder for all ranks of `group`, removed when the last of them is done with it. Construction and
  /// destruction are collective.
  explicit TemporaryFolder(Communicator& group);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::unique_ptr<Communicator> group_;
  std::filesystem::path path_;
};

}  // namespace weft
