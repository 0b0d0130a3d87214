#include <algorithm>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"

#include "mistake.hpp"
#include "run_files.hpp"
#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::int64_t kNeurons = 60;

Words options_of(const std::string& command, const fs::path& output, const Words& settings) {
  Words words{command,    tiny_config(),
              "--output", output.string(),
              "--set",    "training.method=varpro",
              "--set",    "simulation.neurons=" + std::to_string(kNeurons),
              "--set",    "simulation.frames=2000"};
  for (const std::string& setting : settings) words.insert(words.end(), {"--set", setting});
  return words;
}

/// `weft run` in closed form, once for all tests.
class ClosedFormRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    result = std::make_unique<ProcessResult>(run_weft(options_of("run", run(), {})));
    ASSERT_EQ(result->exit_code, 0) << result->err;
  }
  static void TearDownTestSuite() {
    result.reset();
    folder.reset();
  }
  static fs::path run() { return folder->path() / "run"; }
  static fs::path another(const std::string& name) { return folder->path() / name; }

  static std::unique_ptr<TemporaryFolder> folder;
  static std::unique_ptr<ProcessResult> result;
};

std::unique_ptr<TemporaryFolder> ClosedFormRun::folder;
std::unique_ptr<ProcessResult> ClosedFormRun::result;

TEST_F(ClosedFormRun, RecoversTheWiringAndSaysHowWell) {
  const nlohmann::json metrics = metrics_of(run());
  EXPECT_GT(metrics.at("/connectivity/r2_strict"_json_pointer), 0.999);
  for (const char* name : {"/solver/residual", "/solver/seconds", "/identifiability/frames", "/validation/r2",
                           "/distilled/psi_rms_error", "/error_bars/mean", "/error_bars/coverage_95"})
    EXPECT_TRUE(metrics.at(nlohmann::json::json_pointer(name)).is_number()) << name;
  EXPECT_EQ(metrics.at("types").size(), metrics.at("/clusters/count"_json_pointer));
  EXPECT_EQ(metrics.at("/provenance/method"_json_pointer), "varpro");
  EXPECT_FALSE(metrics.at("timing").contains("train_step_ms")) << "its steps are not alike";
  EXPECT_THAT(result->out, AllOf(HasSubstr("validation.r2 "), HasSubstr("solver.residual "),
                                 HasSubstr("error_bars.coverage_95 ")));
}

TEST_F(ClosedFormRun, KeepsWhatTheSolverFoundInTheCheckpoint) {
  const CheckpointInfo info = Checkpoint(latest_checkpoint(run() / "checkpoints")).info();
  EXPECT_EQ(info.method, "varpro");
  EXPECT_EQ(nlohmann::json::parse(info.findings).at("solver"), metrics_of(run()).at("solver"));
}

TEST_F(ClosedFormRun, DrawsTheSolverInPlaceOfTheLoss) {
  for (const char letter : std::string("bcdefghjk"))
    EXPECT_GT(bytes_of_panel(run(), letter, ".png"), 100u) << "panel " << letter;
  EXPECT_EQ(bytes_of_panel(run(), 'i', ".png"), 0u);
  EXPECT_THAT(read_text(run() / "results" / "report.html"),
              AllOf(HasSubstr("Neuron types"), HasSubstr("What the data hold"), HasSubstr("phase by phase"),
                    Not(HasSubstr("psi_residuals"))));
}

TEST_F(ClosedFormRun, TellsOfEachNeuron) {
  const std::string table = read_text(run() / "results" / "neurons.csv");
  EXPECT_THAT(table, StartsWith("neuron,cluster,type,"));
  EXPECT_EQ(std::ranges::count(table, '\n'), kNeurons + 1);
  EXPECT_THAT(table, HasSubstr(",heard\n"));
}

TEST_F(ClosedFormRun, IsTheSameOnMoreRanks) {
  const ProcessResult two = run_weft(options_of("run", another("two"), {}), 2);
  ASSERT_EQ(two.exit_code, 0) << two.err;
  for (const char* name : {"/connectivity/slope", "/error_bars/mean", "/types/0/tau"}) {
    const nlohmann::json::json_pointer where(name);
    const double expected = metrics_of(run()).at(where);
    EXPECT_NEAR(metrics_of(another("two")).at(where), expected, 0.01 * std::abs(expected)) << name;
  }
}

TEST_F(ClosedFormRun, IsWhatGradientTrainingCanGoOnFrom) {
  const auto continued = [](const std::string& model) {
    return options_of("run", another("adam"),
                      {"training.method=adam", "training.initial_model=" + model, "training.steps=3",
                       "training.learning_rate.connectivity=1e-6", "training.learning_rate.phi=1e-6",
                       "training.learning_rate.psi=1e-6"});
  };
  const ProcessResult adam = run_weft(continued(run().string()), 2);
  ASSERT_EQ(adam.exit_code, 0) << adam.err;
  EXPECT_GT(metrics_of(another("adam")).at("/connectivity/r2"_json_pointer), 0.99)
      << "three small steps from a random W lead nowhere near";
  EXPECT_FALSE(metrics_of(another("adam")).contains("solver"));

  EXPECT_EQ(run_weft(continued(latest_checkpoint(run() / "checkpoints").string())).exit_code, 2)
      << "named in another way it is another config";
  expect_mistake(run_weft(continued(another("adam").string())), {"training.initial_model", "is this run"});
}

TEST_F(ClosedFormRun, RefusesAnInitialModelOfAnotherAssembly) {
  expect_mistake(run_weft({"run", tiny_config(), "--output", another("small").string(), "--set",
                           "training.initial_model=" + run().string()}),
                 {"training.initial_model", "60 neurons", "24"});
  EXPECT_FALSE(fs::exists(another("small")));
}

TEST_F(ClosedFormRun, FindsAPsiForEachType) {
  const ProcessResult types = run_weft(options_of("run", another("types"), {"training.psi_groups=types"}));
  ASSERT_EQ(types.exit_code, 0) << types.err;
  EXPECT_THAT(read_text(another("types") / "results" / "panel_h_psi.svg"), HasSubstr("learned, group 3"));
  EXPECT_GT(metrics_of(another("types")).at("/connectivity/r2_strict"_json_pointer), 0.99);
}

TEST_F(ClosedFormRun, EndsWithOneWhereNoiseDrownsTheWeightsButWritesAllResults) {
  const Words words = options_of("run", another("noisy"), {"simulation.derivative_snr_db=-20"});
  const ProcessResult noisy = run_weft(words);
  EXPECT_EQ(noisy.exit_code, 1);
  EXPECT_THAT(noisy.err, HasSubstr("\nweft: "));
  EXPECT_TRUE(fs::exists(another("noisy") / "results" / "report.html"));
  const nlohmann::json found = metrics_of(another("noisy")).at("identifiability");
  EXPECT_EQ(found.at("verdict"), "none");
  const std::string reason = "weft: " + found.at("warnings").at(0).get<std::string>() + "\n";
  EXPECT_THAT(noisy.err, testing::EndsWith(reason));

  Words quietly = words;
  quietly.insert(quietly.end(), {"--log-level", "error"});
  const ProcessResult again = run_weft(quietly);
  EXPECT_EQ(again.exit_code, 1) << "also where all stages are skipped";
  EXPECT_EQ(again.err, reason);
  quietly[0] = "report";
  EXPECT_EQ(run_weft(quietly).exit_code, 0) << "the report itself is complete";
}

}  // namespace
}  // namespace weft
