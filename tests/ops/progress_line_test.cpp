#include "weft/ops/progress_line.hpp"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/log.hpp"

#include "support/temporary_folder.hpp"

namespace weft {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

Progress at(std::int64_t done, std::int64_t total = 10000, const std::string& detail = "") {
  return {"simulate", done, total, "steps", detail};
}

/// A stream that stands for a terminal, a clock that the test sets, and the log in a file.
class ProgressLineTest : public testing::Test {
 protected:
  ProgressLineTest() : stream_(open_memstream(&written_, &size_)) { log_to_file(log_path()); }
  ~ProgressLineTest() override {
    std::fclose(stream_);
    std::free(written_);
    log_to_file("/dev/null");
  }

  ProgressLine::Options terminal(std::size_t columns = 80) {
    return {.terminal = stream_, .columns = columns, .clock = clock()};
  }
  ProgressLine::Options no_terminal() { return {.terminal = nullptr, .columns = 80, .clock = clock()}; }

  std::string shown() {
    std::fflush(stream_);
    return {written_, size_};
  }

  std::vector<std::string> logged() {
    std::vector<std::string> lines;
    std::ifstream file(log_path());
    for (std::string line; std::getline(file, line);) lines.push_back(line.substr(line.find(" rank 0 ") + 8));
    return lines;
  }

  double seconds_ = 1000;

 private:
  ProgressLine::Clock clock() {
    return [this] { return std::chrono::duration<double>(seconds_); };
  }
  std::filesystem::path log_path() const { return folder_.path() / "log"; }

  TemporaryFolder folder_;
  char* written_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* stream_;
};

TEST_F(ProgressLineTest, ATerminalShowsRateAndTimeLeft) {
  ProgressLine line(terminal());
  line.show(at(500));
  seconds_ += 5;
  line.show(at(4500, 10000, "loss 3.2"));
  EXPECT_THAT(shown(), EndsWith("\r\x1b[Ksimulate  45% 4500/10000 steps  800 steps/s  7 s left  loss 3.2"));
  EXPECT_TRUE(logged().empty());
}

TEST_F(ProgressLineTest, ATerminalIsNotRewrittenAtEveryStep) {
  ProgressLine line(terminal());
  line.show(at(0));
  for (int i = 1; i <= 9; ++i) {
    seconds_ += 0.01;
    line.show(at(i));
  }
  EXPECT_EQ(shown(), "");
  seconds_ += 0.02;
  line.show(at(10));
  EXPECT_THAT(shown(), HasSubstr("10/10000"));
}

TEST_F(ProgressLineTest, ALineIsCutToTheTerminal) {
  ProgressLine line(terminal(20));
  line.show(at(0));
  seconds_ += 1;
  line.show(at(100));
  EXPECT_EQ(shown(), "\r\x1b[Ksimulate  1% 100/10");
}

TEST_F(ProgressLineTest, TheEndOfAStageClearsTheLineAndLogsTheTime) {
  ProgressLine line(terminal());
  line.show(at(0));
  seconds_ += 20;
  line.show(at(10000, 10000, "loss 3.2"));
  EXPECT_EQ(shown(), "\r\x1b[K");
  EXPECT_THAT(logged(), ElementsAre("simulate  10000 steps in 20 s  500 steps/s  loss 3.2"));
  line.finish();
  EXPECT_EQ(logged().size(), 1u) << "a stage ends once";
}

TEST_F(ProgressLineTest, ANewStageEndsTheOneBefore) {
  ProgressLine line(no_terminal());
  line.show(at(0));
  seconds_ += 2;
  line.show(at(100));
  line.show({"train", 0, 50, "steps", ""});
  EXPECT_THAT(logged(), ElementsAre("simulate  ended at 1% 100/10000 steps in 2 s  50 steps/s"));
}

TEST_F(ProgressLineTest, DestructionEndsTheStage) {
  { ProgressLine(no_terminal()).show(at(100)); }
  EXPECT_THAT(logged(), ElementsAre("simulate  ended at 1% 100/10000 steps in 0 s"));
}

TEST_F(ProgressLineTest, TheLogGetsItsFirstLineAfterFiveSeconds) {
  ProgressLine line(no_terminal());
  line.show(at(0));
  seconds_ += 4.9;
  line.show(at(49));
  EXPECT_TRUE(logged().empty());
  seconds_ += 0.1;
  line.show(at(50));
  EXPECT_THAT(logged(), ElementsAre("simulate  0% 50/10000 steps  10 steps/s  16 min 35 s left"));
  EXPECT_EQ(shown(), "");
}

TEST_F(ProgressLineTest, ADayInTheLogIsShort) {
  ProgressLine line(no_terminal());
  for (int second = 0; second < 86400; ++second, ++seconds_) line.show(at(second, 86400));
  EXPECT_LT(logged().size(), 250u);
  EXPECT_GT(logged().size(), 100u);
}

TEST_F(ProgressLineTest, LongTimesAreReadable) {
  ProgressLine line(no_terminal());
  line.show(at(0, 1000000));
  seconds_ += 8;
  line.show(at(2, 1000000));
  ASSERT_EQ(logged().size(), 1u);
  EXPECT_THAT(logged()[0], HasSubstr("0.25 steps/s  46 d 07 h left"));
}

TEST_F(ProgressLineTest, AnUnknownTotalHasNoPercentAndNoTimeLeft) {
  ProgressLine line(no_terminal());
  line.sink()(at(0, 0));
  seconds_ += 5;
  line.sink()(at(20, 0));
  EXPECT_THAT(logged(), ElementsAre("simulate  20 steps  4 steps/s"));
}

}  // namespace
}  // namespace weft
