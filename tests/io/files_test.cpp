#include "weft/io/files.hpp"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"

#include "small_disk.hpp"
#include "support/failing_call.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

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

/// Folders whose content is their own name.
class Folders : public testing::Test {
 protected:
  fs::path path(const std::string& name) const { return folder_.path() / name; }
  void make(const std::string& name) const {
    make_folders(path(name));
    std::ofstream(path(name) / "content") << name;
  }
  std::string content_of(const std::string& name) const { return read_text(path(name) / "content"); }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const fs::path& entry : list_folder(folder_.path())) found.push_back(entry.filename());
    return found;
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(Folders, OneTakesThePlaceOfAFullOne) {
  make("old");
  make("new");
  replace_folder(path("new"), path("old"));
  EXPECT_EQ(content_of("old"), "new");
  EXPECT_THAT(names(), ElementsAre("old"));
}

/// In a child process whose file system, as far as it can tell, cannot exchange names.
void replace_without_exchange(const fs::path& from, const fs::path& to) {
  const pid_t child = fork();
  if (child == 0) {
    if (!have_call_fail(SYS_renameat2, EINVAL)) _exit(1);
    try {
      replace_folder(from, to);
    } catch (const UserError&) {
      _exit(2);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_NE(WEXITSTATUS(status), 1) << "this system lets no process limit itself";
  if (WEXITSTATUS(status) == 2) throw UserError({to.string(), "not replaced", "", ""});
}

TEST_F(Folders, OneTakesThePlaceOfAFullOneWhereNamesCannotBeExchanged) {
  make("old");
  make("new");
  replace_without_exchange(path("new"), path("old"));
  EXPECT_EQ(content_of("old"), "new");
  EXPECT_THAT(names(), ElementsAre("old"));
}

TEST_F(Folders, TheFormerStaysWhereItCannotBeReplaced) {
  make("old");
  EXPECT_THROW(replace_without_exchange(path("none"), path("old")), UserError);
  EXPECT_EQ(content_of("old"), "old");
  EXPECT_THAT(names(), ElementsAre("old"));
}

TEST_F(Folders, AReplacementThatWasInterruptedIsUndoneOrFinished) {
  make("run.old.tmp");
  make("new");
  recover_replaced(path("run"));
  EXPECT_EQ(content_of("run"), "run.old.tmp");
  EXPECT_THAT(names(), ElementsAre("new", "run"));
  make("run.old.tmp");
  recover_replaced(path("run"));
  EXPECT_THAT(names(), ElementsAre("new", "run"));
}

TEST_F(Folders, OneIsRemovedWholeWithWhatIsLeftOfAnother) {
  make("run.gone.tmp");
  make("run");
  make("other");
  remove_whole(path("run"));
  EXPECT_THAT(names(), ElementsAre("other"));
  remove_whole(path("run"));
  EXPECT_THAT(names(), ElementsAre("other"));
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
