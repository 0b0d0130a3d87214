#include <fstream>
#include <regex>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include "mistake.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// Rank 0 and rank 1 with commands of their own.
ProcessResult run_pair(const Words& first, const Words& second) {
  Words words{WEFT_MPIEXEC, "--quiet", "--oversubscribe", "-n", "1"};
  words.insert(words.end(), first.begin(), first.end());
  words.insert(words.end(), {":", "-n", "1"});
  words.insert(words.end(), second.begin(), second.end());
  return run_process(words);
}

/// The command, started by a shell after `preparation`.
Words prepared(const std::string& preparation, const Words& command) {
  Words words{"bash", "-c", preparation + "; exec \"$0\" \"$@\""};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

class RankFailures : public testing::Test {
 protected:
  fs::path output() const { return folder_.path() / "run"; }
  Words stage(const std::string& command, const Words& options = {}) const {
    Words words{command, tiny_config(), "--output", output().string(), "--log-level", "error"};
    words.insert(words.end(), options.begin(), options.end());
    return weft_command(words);
  }

  TemporaryFolder folder_;
};

TEST_F(RankFailures, RanksThatReadDifferentConfigs) {
  expect_mistake(run_pair(stage("run"), stage("run", {"--set", "training.steps=7"})),
                 {"rank 1", tiny_config(), "another config than rank 0", "all nodes see the same file"});
  EXPECT_FALSE(fs::exists(output()));
}

TEST_F(RankFailures, RanksThatWereAskedForDifferentThings) {
  expect_mistake(run_pair(stage("run"), stage("simulate")),
                 {"rank 1", "another command, --output, --redo or --resume"});
  expect_mistake(run_pair(stage("run"), weft_command({"run", tiny_config()})),
                 {"rank 1", "another command, --output, --redo or --resume"});
  EXPECT_FALSE(fs::exists(output()));
}

TEST_F(RankFailures, ARankWhoseArgumentsAreWrongEndsTheOthers) {
  expect_mistake(run_pair(stage("run"), stage("run", {"--no-such-option"})), {"rank 1", "--no-such-option"});
}

TEST_F(RankFailures, ARankThatCannotWriteEndsTheOthers) {
  const Words simulate = stage("simulate", {"--set", "simulation.frames=2000"});
  expect_mistake(run_pair(simulate, prepared("trap '' XFSZ; ulimit -f 8", simulate)),
                 {"rank 1", "rank_00001.h5", "File too large"});
  EXPECT_FALSE(fs::exists(output() / "data"));
}

/// Whether the thread of rank 1 is writing its part of a checkpoint.
bool is_saving(const fs::path& run) {
  std::error_code none;
  for (fs::directory_iterator entry(run / "checkpoints", none); !none && entry != fs::directory_iterator();
       entry.increment(none))
    if (fs::exists(entry->path() / "shard_r0001_of_0002.h5", none)) return true;
  return false;
}

TEST_F(RankFailures, ARankThatThrowsInATrainingIsNamedWithItsStepAlsoInTheMiddleOfASave) {
  // A disk on which the save takes minutes, and which nobody waits for.
  const fs::path sign = folder_.path() / "sign";
  const Words run{"run",         tiny_config(),
                  "--output",    output().string(),
                  "--log-level", "error",
                  "--set",       "training.steps=10000000",
                  "--set",       "checkpoint.interval=1"};
  RunningProcess job(weft_command(run, 2),
                     {{"LD_PRELOAD", std::string(WEFT_SLOW_DISK) + ":" + WEFT_FAILING_MEMORY},
                      {"WEFT_SLOW_DISK_MS", "120000"},
                      {"WEFT_SLOW_DISK_OF", "/checkpoints/"},
                      {"WEFT_MEMORY_RANK", "1"},
                      {"WEFT_MEMORY_ENDS", sign.string()}});
  while (!is_saving(output())) ASSERT_TRUE(job.runs()) << job.wait().err;
  std::ofstream(sign).flush();
  const ProcessResult result = job.wait();
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_TRUE(
      std::regex_search(result.err, std::regex("weft: rank 1 on [^:]+: not enough memory .*\\(stage train, "
                                               "step [1-9][0-9]*\\)")))
      << result.err;
}

TEST_F(RankFailures, ARankThatIsKilledEndsTheOthers) {
  // A second of processor time, which a million steps do not fit into.
  const Words run = stage("run", {"--set", "training.steps=1000000"});
  fs::create_directory(output());
  const ProcessResult result = run_pair(run, prepared("ulimit -t 1", run));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.exit_code, 124) << "the other rank went on";
  const int lock = open((output() / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  EXPECT_EQ(flock(lock, LOCK_EX), 0) << "rank 0 holds the folder";
  close(lock);
}

}  // namespace
}  // namespace weft
