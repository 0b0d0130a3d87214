#include <fstream>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/io/checkpoint.hpp"

#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// One run of two trajectories, up to its metrics.
class Inspect : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    for (const char* stage : {"simulate", "train", "evaluate"}) {
      const ProcessResult result = run_weft({stage, tiny_config(), "--output", run().string(), "--set",
                                             "simulation.trajectories=2", "--set", "training.steps=3"});
      ASSERT_EQ(result.exit_code, 0) << result.err;
    }
  }
  static void TearDownTestSuite() { folder.reset(); }

  static fs::path run() { return folder->path() / "run"; }
  static std::string text_of(const fs::path& path) {
    const ProcessResult result = run_weft({"inspect", path.string()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  static void expect_nonsense(const fs::path& path, const std::string& found) {
    const ProcessResult result = run_weft({"inspect", path.string()});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, AllOf(StartsWith("weft: " + path.string()), HasSubstr(found)));
  }

  static std::unique_ptr<TemporaryFolder> folder;
};

std::unique_ptr<TemporaryFolder> Inspect::folder;

TEST_F(Inspect, TellsWhatADatasetHolds) {
  EXPECT_THAT(text_of(run() / "data" / "activity.h5"),
              AllOf(HasSubstr("400 frames of 24 neurons, dt 0.01 time units, 2 trajectories"),
                    HasSubstr("derivative: yes, truth: yes"), HasSubstr("simulated by weft ")));
}

TEST_F(Inspect, TellsWhatACheckpointHolds) {
  EXPECT_THAT(text_of(latest_checkpoint(run() / "checkpoints")),
              AllOf(HasSubstr("step 3 of method adam, 24 neurons"), HasSubstr("checksums agree"),
                    HasSubstr("(24 x 24)")));
}

TEST_F(Inspect, TellsWhatARunHolds) {
  EXPECT_THAT(text_of(run()), AllOf(HasSubstr("dataset "), HasSubstr("checkpoint "),
                                    HasSubstr("  connectivity.r2 = "), Not(HasSubstr("report "))));
}

TEST_F(Inspect, RefusesWhatIsNoneOfThese) {
  std::ofstream(folder->path() / "text.h5") << "a text\n";
  expect_nonsense(folder->path() / "text.h5", "not an HDF5 file");
  expect_nonsense(folder->path(), "neither manifest.json nor config.yaml");
  expect_nonsense(folder->path() / "nowhere", "not there");
}

TEST_F(Inspect, FindsACheckpointThatWasTamperedWith) {
  fs::copy(latest_checkpoint(run() / "checkpoints"), folder->path() / "step", fs::copy_options::recursive);
  std::fstream file(folder->path() / "step" / "common.h5", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('\x5a');
  file.close();
  const ProcessResult result = run_weft({"inspect", (folder->path() / "step").string()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("common.h5"));
}

}  // namespace
}  // namespace weft
