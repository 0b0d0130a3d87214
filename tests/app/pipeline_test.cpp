#include <cmath>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weft/config/config.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"

#include "run_files.hpp"
#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// `weft run` of the tiny config, once for all tests, which change copies only.
class WholeRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    result = std::make_unique<ProcessResult>(stage("run", run()));
    ASSERT_EQ(result->exit_code, 0) << result->err;
  }
  static void TearDownTestSuite() {
    result.reset();
    folder.reset();
  }

  static fs::path run() { return folder->path() / "run"; }
  static ProcessResult stage(const std::string& command, const fs::path& output, const Words& options = {}) {
    Words words{command, tiny_config(), "--output", output.string()};
    words.insert(words.end(), options.begin(), options.end());
    return run_weft(words);
  }
  static fs::path copy(const std::string& name) {
    fs::copy(run(), folder->path() / name, fs::copy_options::recursive);
    return folder->path() / name;
  }

  static std::unique_ptr<TemporaryFolder> folder;
  static std::unique_ptr<ProcessResult> result;
};

std::unique_ptr<TemporaryFolder> WholeRun::folder;
std::unique_ptr<ProcessResult> WholeRun::result;

TEST_F(WholeRun, TellsItsStagesAndEndsWithMetricsAndPlaces) {
  EXPECT_THAT(result->err, AllOf(HasSubstr("simulate done"), HasSubstr("train done"),
                                 HasSubstr("evaluate done"), HasSubstr("report done")));
  EXPECT_THAT(result->out, AllOf(StartsWith("  connectivity.r2 "), HasSubstr("clusters.accuracy"),
                                 HasSubstr((run() / "results" / "metrics.json").string()),
                                 HasSubstr((run() / "results" / "report.html").string())));
  EXPECT_THAT(read_text(run() / "log" / "weft.log"),
              AllOf(HasSubstr("simulate done"), HasSubstr("report done")));
}

TEST_F(WholeRun, TellsThatItComputesOnTheCpuAndWhy) {
  EXPECT_THAT(result->err, HasSubstr("\non the CPU: "));
  EXPECT_EQ(metrics_of(run()).at("provenance").at("device"), "cpu");
}

TEST_F(WholeRun, SavesTheResolvedConfig) {
  const std::string text = read_text(run() / "config.yaml");
  EXPECT_THAT(text, StartsWith("# Resolved by weft "));
  EXPECT_EQ(to_yaml(load_config(run() / "config.yaml")), to_yaml(load_config(tiny_config())));
}

TEST_F(WholeRun, LeavesACheckpoint) {
  const Checkpoint checkpoint(latest_checkpoint(run() / "checkpoints"));
  EXPECT_EQ(checkpoint.info().step, 50);
  EXPECT_NO_THROW(checkpoint.verify());
}

TEST_F(WholeRun, DrawsEachPanelInTwoFormatsBesideItsDataAndScript) {
  const std::string page = read_text(run() / "results" / "report.html");
  for (const char letter : std::string("bcdefghi")) {
    for (const char* ending : {".png", ".svg", ".dat", ".gp"})
      EXPECT_GT(bytes_of_panel(run(), letter, ending), 100u) << "panel " << letter << ending;
  }
  EXPECT_THAT(page, AllOf(HasSubstr("data:image/png;base64,"), HasSubstr("burn_in: 100")));
}

TEST_F(WholeRun, MeasuresWhatTheDocumentsSay) {
  const nlohmann::json metrics = metrics_of(run());
  for (const char* name :
       {"/connectivity/r2", "/connectivity/slope", "/connectivity/r2_strict", "/connectivity/relative_error",
        "/psi/max_error", "/psi/rms_error", "/phi/rms_error", "/phi/relative_rms_error", "/clusters/count",
        "/clusters/accuracy", "/clusters/silhouette", "/timing/simulate_s", "/timing/simulate_step_ms",
        "/timing/train_s", "/timing/train_step_ms", "/memory/peak_bytes_max_rank", "/provenance/ranks"}) {
    const nlohmann::json::json_pointer where(name);
    ASSERT_TRUE(metrics.contains(where)) << name;
    EXPECT_TRUE(metrics.at(where).is_number() && std::isfinite(metrics.at(where).get<double>())) << name;
  }
  for (const char* name : {"version", "commit", "config_hash", "dataset", "method", "host", "device"})
    EXPECT_FALSE(metrics.at("provenance").at(name).get<std::string>().empty()) << name;
  EXPECT_GT(metrics.at("memory").at("peak_bytes_max_rank"), 10'000'000);
}

TEST_F(WholeRun, SkipsWhatIsComplete) {
  auto before = checksums(run());
  const ProcessResult again = stage("run", run());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  for (const char* name : {"simulate", "train", "evaluate", "report"})
    EXPECT_THAT(again.err, HasSubstr(std::string(name) + ": complete for this config, skipped"));
  EXPECT_EQ(again.out, result->out);
  auto after = checksums(run());
  before.erase("log/weft.log");
  after.erase("log/weft.log");
  EXPECT_EQ(after, before);
}

TEST_F(WholeRun, RedoesAStageAndThoseAfterIt) {
  const fs::path redone = copy("redone");
  const ProcessResult again = stage("run", redone, {"--redo", "train", "--set", "training.steps=20"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err,
              AllOf(HasSubstr("simulate: complete for this config, skipped"), HasSubstr("train done"),
                    HasSubstr("evaluate done"), HasSubstr("report done")));
  EXPECT_EQ(checksums(redone / "data"), checksums(run() / "data"));
  EXPECT_EQ(Checkpoint(latest_checkpoint(redone / "checkpoints")).info().step, 20);
  EXPECT_NE(metrics_of(redone).at("connectivity"), metrics_of(run()).at("connectivity"));
  EXPECT_THAT(read_text(redone / "results" / "report.html"), HasSubstr("steps: 20"));
}

TEST_F(WholeRun, TakesNoTimesFromStagesThatAreRedone) {
  const fs::path redone = copy("redone_in_part");
  ASSERT_EQ(stage("evaluate", redone, {"--redo", "evaluate"}).exit_code, 0);
  const nlohmann::json timing = metrics_of(redone).at("timing");
  EXPECT_EQ(timing, metrics_of(run()).at("timing")) << "evaluate took its own earlier time for this one's";
  EXPECT_FALSE(fs::exists(redone / "results" / "report.html")) << "the report is of the earlier evaluation";
}

TEST_F(WholeRun, IsTheSameAsItsStagesOneByOne) {
  const fs::path parts = folder->path() / "parts";
  for (const char* name : {"simulate", "train", "evaluate", "report"}) {
    const ProcessResult part = stage(name, parts);
    ASSERT_EQ(part.exit_code, 0) << part.err;
  }
  EXPECT_EQ(findings_of(parts), findings_of(run()));
  EXPECT_TRUE(dataset_of(parts) == dataset_of(run()));
  EXPECT_TRUE(checkpoint_of(parts) == checkpoint_of(run()));
  EXPECT_TRUE(fs::exists(parts / "results" / "report.html"));
}

TEST_F(WholeRun, AStageWithoutTheOneBeforeItSaysWhatToDo) {
  const fs::path nothing = folder->path() / "nothing";
  const ProcessResult training = stage("train", nothing);
  EXPECT_EQ(training.exit_code, 2);
  EXPECT_THAT(training.err,
              AllOf(HasSubstr("the result of `weft simulate` is not there"),
                    HasSubstr("run `weft simulate` with the same config first, or `weft run`")));
  EXPECT_FALSE(fs::exists(nothing)) << "a mistake leaves nothing behind";

  const fs::path simulated = copy("simulated");
  fs::remove_all(simulated / "results");
  EXPECT_THAT(stage("report", simulated).err, HasSubstr("the result of `weft evaluate` is not there"));
  fs::remove_all(simulated / "checkpoints");
  EXPECT_THAT(stage("evaluate", simulated).err, HasSubstr("the result of `weft train` is not there"));
}

TEST_F(WholeRun, MakesAgainWhatWasLost) {
  const fs::path lost = copy("lost");
  fs::remove_all(lost / "checkpoints");
  const ProcessResult again = stage("run", lost);
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err,
              AllOf(HasSubstr("simulate: complete"), HasSubstr("train done"), HasSubstr("report done")));
  EXPECT_EQ(findings_of(lost), findings_of(run()));
}

TEST_F(WholeRun, OutlivesTheLossOfItsDataset) {
  for (const char* command : {"run", "simulate"}) {
    const fs::path lost = copy(std::string("without_data_for_") + command);
    fs::remove_all(lost / "data");
    const ProcessResult again = stage(command, lost);
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_THAT(again.err, HasSubstr("simulate done"));
    EXPECT_TRUE(dataset_of(lost) == dataset_of(run()));
    for (const char* part : {"checkpoints", "results"})
      EXPECT_EQ(checksums(lost / part), checksums(run() / part)) << part << " after " << command;
  }
}

TEST_F(WholeRun, IsVoidWhereItsDatasetIsToBeMadeAnew) {
  const fs::path redone = copy("made_anew");
  ASSERT_EQ(stage("simulate", redone, {"--redo", "simulate"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(redone / "checkpoints"));
  EXPECT_FALSE(fs::exists(redone / "results" / "metrics.json"));
}

}  // namespace
}  // namespace weft
