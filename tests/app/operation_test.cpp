// What a run shows to those who operate it: its log, and the options of its metrics.
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weft/io/files.hpp"

#include "support/listening_port.hpp"
#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

using testing::ContainsRegex;
using testing::Each;
using testing::HasSubstr;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Operation : public testing::Test {
 protected:
  std::filesystem::path run() const { return folder_.path() / "run"; }
  ProcessResult run_tiny(Words options, int ranks = 1) const {
    Words arguments{"run", tiny_config(), "--output", run().string()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run_weft(arguments, ranks);
  }
  std::string log() const { return read_text(run() / "log" / "weft.log"); }

 private:
  TemporaryFolder folder_;
};

TEST_F(Operation, EachLineOfTheLogHasTimeLevelAndRank) {
  const ProcessResult result = run_tiny({}, 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(lines_of(log()), Each(ContainsRegex("^[0-9-]{10} [0-9:]{8}\\.[0-9]{3} [a-z]+ rank 0 ")));
  EXPECT_THAT(lines_of(result.err), Each(testing::StartsWith("[rank 0] "))) << "of info, rank 0's alone";
}

TEST_F(Operation, ALogInJsonIsThatToTheLastLine) {
  const ProcessResult result = run_tiny({"--log-format", "json"}, 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const std::string& text : {log(), result.err}) {
    std::vector<std::string> stages;
    for (const std::string& line : lines_of(text)) {
      const nlohmann::json json = nlohmann::json::parse(line);
      EXPECT_EQ(json.at("rank"), 0);
      EXPECT_FALSE(json.at("message").get<std::string>().empty());
      stages.push_back(json.at("stage"));
    }
    for (const char* stage : {"", "simulate", "train", "evaluate", "report"})
      EXPECT_THAT(stages, testing::Contains(stage));
  }
}

TEST_F(Operation, AFailureInJsonIsALineOfIt) {
  const ProcessResult result = run_tiny({"--log-format", "json", "--resume", "must"}, 2);
  EXPECT_EQ(result.exit_code, 2);
  const std::vector<std::string> lines = lines_of(result.err);
  ASSERT_FALSE(lines.empty());
  const nlohmann::json last = nlohmann::json::parse(lines.back());
  EXPECT_EQ(last.at("level"), "error");
  EXPECT_THAT(last.at("message").get<std::string>(), HasSubstr("nothing to go on from"));
}

TEST_F(Operation, ARunEndsWithATableOfWhereItsTimeWent) {
  const ProcessResult result = run_tiny({}, 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(log(), HasSubstr("where the time of rank 0 went:"));
  for (const char* stage : {"simulate", "train", "report"})
    EXPECT_THAT(log(), ContainsRegex(std::string("rank 0   ") + stage + " +[a-z]"));
  EXPECT_THAT(log(), HasSubstr("100.0%"));
  EXPECT_THAT(log(), ContainsRegex("communicated by rank 0: all_reduce [0-9.]+ [kMG]B in [0-9]+ calls"));
}

TEST_F(Operation, AStoppedRunHasItsTableToo) {
  const ProcessResult result = run_tiny({"--max-hours", "1e-9"});
  EXPECT_EQ(result.exit_code, 75) << result.err;
  EXPECT_THAT(log(), HasSubstr("where the time of rank 0 went:"));
}

TEST_F(Operation, APortThatIsTakenStopsNoRun) {
  const ListeningPort taken;
  const std::string port = std::to_string(taken.port());
  const ProcessResult result = run_tiny({"--metrics-port", port}, 2);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, ContainsRegex("metrics are not served: [^\n]*" + port + "[^\n]*; no run fails for its metrics"));
  EXPECT_TRUE(std::filesystem::exists(run() / "results" / "metrics.json"));
}

TEST_F(Operation, OptionsOfMetricsAreChecked) {
  struct Mistake {
    Words options;
    std::string told;
  };
  const std::vector<Mistake> mistakes{
      {{"--metrics-port", "99999"}, "--metrics-port: 99999: auto or a number from 1 to 65535"},
      {{"--metrics-port", "0"}, "--metrics-port: 0: auto or a number"},
      {{"--metrics-port", "8o"}, "--metrics-port: 8o: auto or a number"},
      {{"--metrics-targets", "targets.json"}, "--metrics-targets requires --metrics-port"},
      {{"--metrics-address", "0.0.0.0"}, "--metrics-address requires --metrics-port"},
      {{"--metrics-port", "auto", "--metrics-address", "everywhere"}, "--metrics-address"},
      {{"--metrics-push", "http://gateway"}, "--metrics-push: http://gateway: a URL with a port"},
      {{"--log-format", "xml"}, "--log-format"}};
  for (const auto& [options, told] : mistakes) {
    const ProcessResult result = run_tiny(options);
    EXPECT_EQ(result.exit_code, 2) << told;
    EXPECT_THAT(result.err, HasSubstr(told));
    EXPECT_EQ(lines_of(result.err).size(), 1U) << result.err;
    EXPECT_FALSE(std::filesystem::exists(run())) << told;
  }
}

}  // namespace
}  // namespace weft
