#pragma once

#include <cstddef>
#include <filesystem>

#include "support/temporary_folder.hpp"

namespace weft {

/// A file system in memory of a few bytes, for tests that fill it. Only root may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(std::size_t bytes);
  ~SmallDisk();

  bool mounted() const { return mounted_; }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool mounted_;
};

}  // namespace weft

#define WEFT_SKIP_UNLESS_MOUNTED(disk) \
  if (!(disk).mounted()) GTEST_SKIP() << "only root may mount the small disk that this test fills"
