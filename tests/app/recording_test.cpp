#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../io/python.hpp"
#include "run_files.hpp"
#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kRecording = R"(
import h5py, numpy as np
steps = np.random.default_rng(2).normal(size=(150, 12))
x = np.zeros_like(steps)
for t in range(1, 150):
    x[t] = 0.9 * x[t - 1] + steps[t]
with h5py.File('recording.h5', 'w') as file:
    file['activity'] = x.astype('f4')
    file.attrs['dt'] = 0.1
)";

/// A run on a recording of nothing but the activity and the time between frames, on 2 ranks.
class Recording : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    run_python(kRecording, folder->path());
    result = std::make_unique<ProcessResult>(start(2));
    ASSERT_EQ(result->exit_code, 0) << result->err;
  }
  static void TearDownTestSuite() {
    result.reset();
    folder.reset();
  }

  static ProcessResult start(int ranks) {
    return run_weft(
        {"run", tiny_config(), "--output", run().string(), "--set", "data.path=" + file().string()}, ranks);
  }
  static fs::path file() { return folder->path() / "recording.h5"; }
  static fs::path run() { return folder->path() / "run"; }

  static std::unique_ptr<TemporaryFolder> folder;
  static std::unique_ptr<ProcessResult> result;
};

std::unique_ptr<TemporaryFolder> Recording::folder;
std::unique_ptr<ProcessResult> Recording::result;

TEST_F(Recording, IsTrainedOnAndTheLogSaysHow) {
  const std::string file = Recording::file().string();
  EXPECT_THAT(result->err,
              AllOf(HasSubstr("simulate: not needed, data.path is " + file),
                    HasSubstr("no /derivative; using forward differences"), HasSubstr("report done")));
  EXPECT_FALSE(fs::exists(run() / "data"));
}

TEST_F(Recording, LeavesOutOfTheMetricsWhatNobodyKnows) {
  const nlohmann::json metrics = metrics_of(run());
  EXPECT_EQ(metrics.at("data").at("frames"), 150);
  EXPECT_EQ(metrics.at("data").at("neurons"), 12);
  EXPECT_EQ(metrics.at("provenance").at("dataset"), file().string());
  for (const char* name : {"/connectivity", "/psi", "/phi", "/clusters/accuracy", "/timing/simulate_s"})
    EXPECT_FALSE(metrics.contains(nlohmann::json::json_pointer(name))) << name;
  EXPECT_GE(metrics.at("clusters").at("count"), 1);
}

TEST_F(Recording, IsDrawnWithoutATruth) {
  for (const char letter : std::string("bdi"))
    EXPECT_GT(bytes_of_panel(run(), letter, ".png"), 100u) << letter;
  for (const char letter : std::string("ce"))
    EXPECT_EQ(bytes_of_panel(run(), letter, ".png"), 0u) << letter << " needs the true wiring";
  EXPECT_TRUE(fs::exists(run() / "results" / "report.html"));
}

TEST_F(Recording, ThatChangedSinceIsAnotherOne) {
  EXPECT_THAT(start(1).err, HasSubstr("train: complete for this config, skipped"));
  std::ofstream(file(), std::ios::app) << "\n";
  const ProcessResult changed = start(1);
  EXPECT_EQ(changed.exit_code, 2);
  EXPECT_THAT(changed.err, AllOf(HasSubstr("its train stage"), HasSubstr("a file that it names has changed"),
                                 HasSubstr("--redo train")));
}

}  // namespace
}  // namespace weft
