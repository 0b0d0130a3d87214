#include <cmath>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "run_files.hpp"
#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// The same run on several numbers of ranks: two trajectories of 25 neurons, which 2, 3 and 4 ranks share
/// unevenly.
class Ranks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    start("run", 1);
    start("simulate", 2);
    start("run", 3);
    start("run", 4, {"--set", "training.replicas=2"});
  }
  static void TearDownTestSuite() { folder.reset(); }

  static void start(const std::string& command, int ranks, const Words& options = {}) {
    Words words{command, tiny_config(),           "--output", output(ranks).string(),
                "--set", "simulation.neurons=25", "--set",    "simulation.trajectories=2"};
    words.insert(words.end(), options.begin(), options.end());
    const ProcessResult result = run_weft(words, ranks);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }
  static fs::path output(int ranks) { return folder->path() / std::to_string(ranks); }

  static std::unique_ptr<TemporaryFolder> folder;
};

std::unique_ptr<TemporaryFolder> Ranks::folder;

std::size_t count_of_shards(const fs::path& run) {
  return std::distance(fs::directory_iterator(run / "data" / "shards"), fs::directory_iterator());
}

TEST_F(Ranks, MakeTheSameDatasetToTheLastBit) {
  const auto alone = dataset_of(output(1));
  ASSERT_EQ(alone.at("/activity").size(), 2u * 200 * 25);
  ASSERT_EQ(alone.at("/truth/connectivity").size(), 25u * 25);
  for (const int ranks : {2, 3, 4}) {
    ASSERT_EQ(count_of_shards(output(ranks)), static_cast<std::size_t>(ranks));
    const auto shared = dataset_of(output(ranks));
    for (const auto& [name, values] : alone) {
      EXPECT_TRUE(values == shared.at(name)) << name << " on " << ranks << " ranks";
    }
  }
}

/// Numbers of both that differ in the third digit.
void expect_same_findings(const fs::path& one, const fs::path& other) {
  const nlohmann::json expected = findings_of(one).flatten();
  const nlohmann::json found = findings_of(other).flatten();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, value] : expected.items()) {
    ASSERT_TRUE(found.contains(name)) << name;
    if (!value.is_number()) continue;
    EXPECT_NEAR(found.at(name).get<double>(), value.get<double>(), 5e-4 * std::abs(value.get<double>()))
        << name;
  }
}

TEST_F(Ranks, FindTheSameToThreeDigits) {
  EXPECT_EQ(metrics_of(output(3)).at("provenance").at("ranks"), 3);
  expect_same_findings(output(1), output(3));
}

TEST_F(Ranks, FindTheSameAsRowsTimesReplicas) {
  EXPECT_EQ(metrics_of(output(4)).at("provenance").at("ranks"), 4);
  expect_same_findings(output(1), output(4));
}

}  // namespace
}  // namespace weft
