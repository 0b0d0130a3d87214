#include "weft/io/files.hpp"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "small_disk.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// Root may write everywhere; for a while this process is somebody else.
class AsNobody {
 public:
  AsNobody() : user_(geteuid()) {
    if (user_ == 0 && seteuid(65534) != 0) std::abort();
  }
  ~AsNobody() {
    if (seteuid(user_) != 0) std::abort();
  }

 private:
  uid_t user_;
};

TEST(Files, TextReplacesTextWhole) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "latest";
  write_text_atomically(file, std::string(9000, 'a'));
  write_text_atomically(file, "step_2\n");
  EXPECT_EQ(read_text(file), "step_2\n");
  EXPECT_FALSE(fs::exists(file.string() + ".tmp"));
}

TEST(Files, FullDiskLeavesTheOldText) {
  const SmallDisk disk(64 << 10);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const fs::path file = disk.path() / "latest";
  write_text_atomically(file, "old");
  expect_user_error([&] { write_text_atomically(file, std::string(128 << 10, 'x')); },
                    {"latest.tmp", "cannot be written", "No space left on device", "free some space"});
  EXPECT_EQ(read_text(file), "old");
  EXPECT_FALSE(fs::exists(file.string() + ".tmp"));
}

TEST(Files, PermissionIsNamed) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_exec);
  {
    const AsNobody nobody;
    expect_user_error([&] { write_text_atomically(folder.path() / "text", "x"); },
                      {"text.tmp", "Permission denied", "check the permissions"});
    expect_user_error([&] { make_folders(folder.path() / "a" / "b"); },
                      {"cannot be made", "Permission denied"});
  }
  fs::permissions(folder.path(), fs::perms::owner_all);
}

TEST(Files, MissingFileIsNamed) {
  const TemporaryFolder folder;
  expect_user_error([&] { read_text(folder.path() / "none"); }, {"none: cannot be opened: No such file"});
  expect_user_error([&] { file_checksum(folder.path() / "none"); }, {"none: cannot be opened: No such file"});
  expect_user_error([&] { rename_durably(folder.path() / "none", folder.path() / "other"); },
                    {"other: none cannot be given this name: No such file"});
}

TEST(Files, FolderTakesThePlaceOfAFullOne) {
  const TemporaryFolder folder;
  for (const char* name : {"old", "new"}) {
    fs::create_directory(folder.path() / name);
    std::ofstream(folder.path() / name / "content") << name;
  }
  replace_folder(folder.path() / "new", folder.path() / "old");
  EXPECT_EQ(read_text(folder.path() / "old" / "content"), "new");
  EXPECT_FALSE(fs::exists(folder.path() / "new"));
}

TEST(Files, ChecksumIsXxh3) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "empty").flush();
  // The published xxh3 of no bytes.
  EXPECT_EQ(file_checksum(folder.path() / "empty"), "2d06800538d394c2");
  std::ofstream(folder.path() / "large") << std::string((3 << 20) + 17, 'x');
  std::ofstream(folder.path() / "other") << std::string((3 << 20) + 16, 'x') << 'y';
  EXPECT_NE(file_checksum(folder.path() / "large"), file_checksum(folder.path() / "other"));
}

}  // namespace
}  // namespace weft
