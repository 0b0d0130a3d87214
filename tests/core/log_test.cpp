#include "weft/core/log.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weft/core/section.hpp"

#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(LogToFile, HoldsEveryLineWithItsTime) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "weft.log";
  log_to_file(path);
  log_info("{} of {} steps", 3, 7);
  log_warning("slow");
  const std::string time = "^[0-9-]{10} [0-9:]{8}\\.[0-9]{3} ";
  EXPECT_THAT(lines_of(path), testing::ElementsAre(testing::ContainsRegex(time + "info rank 0 3 of 7 steps$"),
                                                   testing::ContainsRegex(time + "warning rank 0 slow$")));
}

TEST(LogToFile, TakesTheWholeLogToAnotherFile) {
  const TemporaryFolder folder;
  log_to_file(folder.path() / "first.log");
  log_info("one");
  log_to_file(folder.path() / "second.log");
  log_info("two");
  EXPECT_THAT(lines_of(folder.path() / "first.log"), testing::ElementsAre(testing::HasSubstr("one")));
  EXPECT_THAT(lines_of(folder.path() / "second.log"), testing::ElementsAre(testing::HasSubstr("two")));
}

TEST(LogToFile, AppendsToWhatAnEarlierRunLeft) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "weft.log";
  std::ofstream(path) << "an earlier run\n";
  log_to_file(path);
  log_info("this run");
  EXPECT_THAT(lines_of(path), testing::ElementsAre("an earlier run", testing::HasSubstr("this run")));
}

TEST(LogToFile, AFileThatCannotBeOpenedIsAUserError) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "a_file") << "no folder";
  const auto path = folder.path() / "a_file" / "weft.log";
  expect_user_error([&] { log_to_file(path); }, {path.string(), "a file that can be written"});
}

TEST(LogToFile, LinesOfManyThreadsStayWhole) {
  const TemporaryFolder folder;
  log_to_file(folder.path() / "weft.log");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([thread] {
      for (int line = 0; line < 200; ++line) log_info("thread {} line {:03} end", thread, line);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = lines_of(folder.path() / "weft.log");
  EXPECT_EQ(lines.size(), 800U);
  EXPECT_THAT(lines, testing::Each(testing::ContainsRegex("info rank 0 thread [0-3] line [0-9]{3} end$")));
}

TEST(LogToTerminal, ShowsLinesOfItsLevelAndAboveOnStderr) {
  testing::internal::CaptureStderr();
  log_to_terminal(LogLevel::warning);
  log_info("hidden");
  log_warning("shown");
  log(LogLevel::error, "shown too");
  log_to_terminal(LogLevel::off);
  log(LogLevel::error, "hidden again");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "shown\nshown too\n");
}

/// Attaches in the style; afterwards all is as it was.
class LogInStyle : public testing::Test {
 protected:
  ~LogInStyle() override {
    set_log_style({});
    log_to_terminal(LogLevel::off);
  }
};

TEST_F(LogInStyle, NamesTheRankWhereThereAreSeveral) {
  testing::internal::CaptureStderr();
  set_log_style({2, 4});
  log_to_terminal(LogLevel::info);
  log_info("step 7");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "[rank 2] step 7\n");
}

TEST_F(LogInStyle, WritesJsonThatHoldsAnyLine) {
  const TemporaryFolder folder;
  set_log_style({3, 4, LogFormat::json});
  log_to_file(folder.path() / "weft.log");
  note_stage("train");
  note_step(12);
  log_info("a \"quoted\" line\nand another");
  log_warning("no UTF-8: \xff");
  const auto lines = lines_of(folder.path() / "weft.log");
  ASSERT_EQ(lines.size(), 2U);
  const nlohmann::json first = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(first["message"], "a \"quoted\" line\nand another");
  EXPECT_EQ(first["level"], "info");
  EXPECT_EQ(first["rank"], 3);
  EXPECT_EQ(first["stage"], "train");
  EXPECT_EQ(first["step"], 12);
  EXPECT_THAT(first["time"].get<std::string>(),
              testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"));
  EXPECT_EQ(nlohmann::json::parse(lines[1])["level"], "warning");
}

TEST_F(LogInStyle, TellsAFailureWhateverTheLevel) {
  const TemporaryFolder folder;
  log_to_file(folder.path() / "weft.log");
  testing::internal::CaptureStderr();
  log_to_terminal(LogLevel::off);
  log_failure("no such file");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "weft: no such file\n");
  EXPECT_THAT(lines_of(folder.path() / "weft.log"),
              testing::ElementsAre(testing::HasSubstr("error rank 0 no such file")));
  testing::internal::CaptureStderr();
  set_log_style({0, 1, LogFormat::json});
  log_failure("a bug");
  EXPECT_EQ(nlohmann::json::parse(testing::internal::GetCapturedStderr())["message"], "a bug");
}

}  // namespace
}  // namespace weft
