#include "weft/ops/run_lock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"

#include "support/failing_call.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Optional;
using testing::StartsWith;
using testing::StrEq;

/// An environment with nothing but the id of a Slurm job, if any.
EnvironmentLookup environment(const char* slurm_job) {
  return [=](const char* name) { return name == std::string("SLURM_JOB_ID") ? slurm_job : nullptr; };
}

/// A process of its own that holds the lock until it is killed.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& folder, const char* slurm_job = nullptr) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ == 0) hold(folder, slurm_job, ends[1]);
    close(ends[1]);
    char said = 'n';
    holds_ = read(ends[0], &said, 1) == 1 && said == 'y';
    close(ends[0]);
  }
  ~Holder() { kill(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  bool holds() const { return holds_; }
  pid_t pid() const { return pid_; }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  [[noreturn]] static void hold(const std::filesystem::path& folder, const char* slurm_job, int told) {
    try {
      const RunLock lock(folder, environment(slurm_job));
      if (write(told, "y", 1) == 1) {
        for (;;) pause();
      }
    } catch (...) {
    }
    _exit(1);
  }

  pid_t pid_ = 0;
  bool holds_ = false;
};

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// As a message names it.
std::string named(const Holder& holder) {
  return "process " + std::to_string(holder.pid()) + " on " + host_name();
}

TEST(RunLock, AnotherProcessIsNamed) {
  const TemporaryFolder folder;
  const Holder holder(folder.path());
  ASSERT_TRUE(holder.holds());
  expect_user_error([&] { const RunLock lock(folder.path()); },
                    {folder.path().string() + ": in use by " + named(holder) + " since 20",
                     " UTC; expected a folder", "wait until it ends", "--output"});
}

TEST(RunLock, ASlurmJobIsNamed) {
  const TemporaryFolder folder;
  const Holder holder(folder.path(), "4711");
  ASSERT_TRUE(holder.holds());
  expect_user_error([&] { const RunLock lock(folder.path()); }, {named(holder), " UTC, Slurm job 4711; "});
}

TEST(RunLock, AHolderThatHasNotNamedItselfIsAnother) {
  const TemporaryFolder folder;
  const int descriptor = open((folder.path() / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_EQ(flock(descriptor, LOCK_EX), 0);
  expect_user_error([&] { const RunLock lock(folder.path()); }, {"in use by another process; "});
  close(descriptor);
}

TEST(RunLock, IsTakenOverFromAProcessThatWasKilledAndTellsSo) {
  const TemporaryFolder folder;
  Holder holder(folder.path(), "4711");
  ASSERT_TRUE(holder.holds());
  const std::string name = named(holder);
  holder.kill();
  {
    const RunLock lock(folder.path());
    EXPECT_THAT(lock.left_behind(),
                Optional(AllOf(StartsWith(name + " since 20"), EndsWith(" UTC, Slurm job 4711"))));
  }
  EXPECT_EQ(RunLock(folder.path()).left_behind(), std::nullopt) << "the one after it ended in order";
}

TEST(RunLock, NobodyIsLeftBehindAtFirstOrAfterAnOrderlyEnd) {
  const TemporaryFolder folder;
  EXPECT_EQ(RunLock(folder.path()).left_behind(), std::nullopt);
  EXPECT_EQ(RunLock(folder.path()).left_behind(), std::nullopt);
  EXPECT_THROW(
      {
        const RunLock lock(folder.path());
        throw 1;
      },
      int);
  EXPECT_EQ(RunLock(folder.path()).left_behind(), std::nullopt) << "an error is an end in order";
}

TEST(RunLock, OthersWordsInTheFileAreNoHolder) {
  for (const std::string& text :
       {std::string("\0\xff garbage", 10), std::string(5000, 'x'), std::string("77")}) {
    const TemporaryFolder folder;
    std::ofstream(folder.path() / ".lock") << text;
    EXPECT_EQ(RunLock(folder.path()).left_behind(), std::nullopt);
  }
}

TEST(RunLock, AFileOfPidAndHostAloneIsRead) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / ".lock") << "12 node7\n";
  EXPECT_THAT(RunLock(folder.path()).left_behind(), Optional(StrEq("process 12 on node7")));
}

/// What a process is told that asks for the lock where there are none.
std::string words_without_locks(const std::filesystem::path& folder, unsigned code) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    std::string words = "no such filter";
    try {
      if (have_call_fail(SYS_flock, code)) {
        const RunLock lock(folder);
        words = "locked";
      }
    } catch (const UserError& error) {
      words = error.what();
    }
    _exit(write(ends[1], words.data(), words.size()) == std::ssize(words) ? 0 : 1);
  }
  close(ends[1]);
  std::array<char, 4096> bytes{};
  const ssize_t count = read(ends[0], bytes.data(), bytes.size());
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

TEST(RunLock, AFileSystemWithoutLocksIsRefused) {
  const TemporaryFolder folder;
  for (const unsigned code : {ENOLCK, ENOSYS, EOPNOTSUPP}) {
    EXPECT_THAT(words_without_locks(folder.path(), code),
                AllOf(StartsWith(folder.path().string() + ": its file system has no locks (flock: "),
                      HasSubstr("another file system"), HasSubstr("-o flock")));
  }
  EXPECT_THAT(words_without_locks(folder.path(), EIO), HasSubstr("cannot take its lock: Input/output error"));
}

TEST(RunLock, EndsWithItsScope) {
  const TemporaryFolder folder;
  std::optional<RunLock> lock(std::in_place, folder.path());
  expect_user_error([&] { const RunLock second(folder.path()); },
                    {"in use by process " + std::to_string(getpid())});
  lock.reset();
  EXPECT_TRUE(Holder(folder.path()).holds());
}

TEST(RunLock, FoldersAreLockedApart) {
  const TemporaryFolder one;
  const TemporaryFolder other;
  const RunLock lock(one.path());
  EXPECT_NO_THROW(const RunLock second(other.path()));
}

TEST(RunLock, AFolderThatIsNotThereIsRefused) {
  const TemporaryFolder folder;
  const auto absent = folder.path() / "absent";
  expect_user_error([&] { const RunLock lock(absent); },
                    {absent.string(), "cannot open its lock: No such file", "--output"});
}

}  // namespace
}  // namespace weft
