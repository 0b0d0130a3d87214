#include "weft/ops/run_lock.hpp"

#include <array>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

/// A process of its own that holds the lock until it is killed.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& folder) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ == 0) hold(folder, ends[1]);
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
  [[noreturn]] static void hold(const std::filesystem::path& folder, int told) {
    try {
      const RunLock lock(folder);
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

TEST(RunLock, AnotherProcessIsNamed) {
  const TemporaryFolder folder;
  const Holder holder(folder.path());
  ASSERT_TRUE(holder.holds());
  expect_user_error(
      [&] { const RunLock lock(folder.path()); },
      {folder.path().string() + ": in use by process " + std::to_string(holder.pid()) + " on " + host_name(),
       "wait until it ends", "--output"});
}

TEST(RunLock, EndsWithTheProcessThatIsKilled) {
  const TemporaryFolder folder;
  Holder holder(folder.path());
  ASSERT_TRUE(holder.holds());
  holder.kill();
  EXPECT_NO_THROW(const RunLock lock(folder.path()));
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
