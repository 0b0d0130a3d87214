#include <fstream>
#include <memory>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../io/small_disk.hpp"
#include "mistake.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// One complete run, which the mistakes must leave as it is.
class FolderMistakes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    const ProcessResult result = run_weft({"run", tiny_config(), "--output", complete().string()});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    before = std::make_unique<std::map<std::string, std::string>>(checksums(complete()));
  }
  static void TearDownTestSuite() {
    folder.reset();
    before.reset();
  }

  ~FolderMistakes() override { EXPECT_EQ(checksums(complete()), *before); }

  static fs::path complete() { return folder->path() / "complete"; }
  static ProcessResult into(const fs::path& output, Words options = {}, int ranks = 1) {
    options.insert(options.begin(), {"run", tiny_config(), "--output", output.string()});
    return run_weft(options, ranks);
  }

  static std::unique_ptr<TemporaryFolder> folder;
  static std::unique_ptr<std::map<std::string, std::string>> before;
};

std::unique_ptr<TemporaryFolder> FolderMistakes::folder;
std::unique_ptr<std::map<std::string, std::string>> FolderMistakes::before;

/// The lock of a run that is alive.
class LiveRun {
 public:
  explicit LiveRun(const fs::path& run)
      : descriptor_(open((run / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    held_ = flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  }
  ~LiveRun() { close(descriptor_); }
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  bool held() const { return held_; }

 private:
  int descriptor_;
  bool held_;
};

/// A folder that nobody may write to, root included.
class ReadOnlyFolder {
 public:
  ReadOnlyFolder() {
    if (geteuid() == 0) {
      closed_ = ::mount("none", path().c_str(), "tmpfs", MS_RDONLY, "size=4096") == 0;
    } else {
      fs::permissions(path(), fs::perms::owner_read | fs::perms::owner_exec);
      closed_ = true;
    }
  }
  ~ReadOnlyFolder() {
    if (geteuid() == 0 && closed_) ::umount(path().c_str());
  }
  ReadOnlyFolder(const ReadOnlyFolder&) = delete;
  ReadOnlyFolder& operator=(const ReadOnlyFolder&) = delete;

  bool closed() const { return closed_; }
  const fs::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool closed_ = false;
};

TEST_F(FolderMistakes, AFolderThatALiveRunHolds) {
  const LiveRun other(complete());
  ASSERT_TRUE(other.held());
  for (const int ranks : {1, 2}) {
    expect_mistake(into(complete(), {"--redo", "simulate"}, ranks),
                   {complete().string(), "in use by", "wait until it ends, or choose another --output"});
  }
}

TEST_F(FolderMistakes, AFolderOfAnotherTraining) {
  expect_mistake(
      into(complete(), {"--set", "training.steps=60", "--set", "training.learning_rate.psi=0.5"}, 2),
      {complete().string(), "its train stage", "training.steps is 50 there, 60 here",
       "training.learning_rate.psi is 5e-05 there, 0.5 here", "--output DIR, or --redo train"});
}

TEST_F(FolderMistakes, AFolderOfAnotherSimulation) {
  const ProcessResult result =
      into(complete(), {"--set", "simulation.types=[{gain: 7}]", "--set", "training.steps=60"});
  expect_mistake(result, {"its simulate stage", "simulation.types[].gain has 4 entries there, 1 here",
                          "--redo simulate to replace it"});
  EXPECT_EQ(result.err.find("training.steps"), std::string::npos)
      << "named, and of no matter: " << result.err;
}

TEST_F(FolderMistakes, KeysOfALaterStageAreRememberedAsTheyWereForIt) {
  // Nothing is to be done here, and nothing is done: config.yaml still tells what made the checkpoint.
  const fs::path copy = folder->path() / "copy";
  fs::copy(complete(), copy, fs::copy_options::recursive);
  const Words simulate{"simulate", tiny_config(), "--output", copy.string(), "--set", "training.steps=60"};
  EXPECT_EQ(run_weft(simulate).exit_code, 0);
  expect_mistake(into(copy, {"--set", "training.steps=60"}), {"training.steps is 50 there, 60 here"});
}

TEST_F(FolderMistakes, AFolderBelowAFile) {
  const fs::path file = folder->path() / "file";
  std::ofstream(file) << "text\n";
  expect_mistake(into(file / "run", {}, 2), {(file / "run").string(), "Not a directory"});
}

TEST_F(FolderMistakes, AFolderThatMayNotBeWrittenTo) {
  const ReadOnlyFolder closed;
  if (!closed.closed()) GTEST_SKIP() << "root may write anywhere, and may not mount here";
  expect_mistake(into(closed.path() / "run", {}, 2),
                 {(closed.path() / "run").string(), "check the permissions"});
  expect_mistake(into(closed.path()), {closed.path().string(), "check permissions"});
}

TEST_F(FolderMistakes, ADiskThatFillsUp) {
  const SmallDisk disk(48 << 10);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  for (const int ranks : {1, 2}) {
    const fs::path run = disk.path() / std::to_string(ranks);
    expect_mistake(into(run, {"--set", "simulation.frames=2000", "--log-level", "error"}, ranks),
                   {run.string(), "No space left on device", "free some space"});
    EXPECT_FALSE(fs::exists(run / "data")) << "a part of a dataset is no dataset";
    fs::remove_all(run);
  }
}

}  // namespace
}  // namespace weft
