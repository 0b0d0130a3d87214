#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/config/config.hpp"
#include "weft/io/files.hpp"

#include "support/paths.hpp"
#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

/// OpenMPI cannot start with this.
const Variables kNoMpi{{"OMPI_MCA_pml", "no_such_layer"}};

TEST(Version, NamesAllPartsAndStartsWithoutMpi) {
  const ProcessResult version = run_weft({"--version"}, 1, kNoMpi);
  EXPECT_EQ(version.exit_code, 0) << version.err;
  EXPECT_THAT(version.out, MatchesRegex("weft [0-9.]+ \\([^)]+\\)\n"
                                        "LibTorch [0-9]+\\.[^\n]+\n"
                                        "MPI [^\n]+[0-9]\n"
                                        "HDF5 [0-9.]+\n"
                                        "CUDA ([0-9.]+|none)\n"
                                        "NCCL ([0-9.]+|none)\n"));
  EXPECT_THAT(version.err, IsEmpty());
}

TEST(Version, AStageDoesNeedMpi) {
  const TemporaryFolder folder;
  const ProcessResult run =
      run_weft({"simulate", tiny_config(), "--output", (folder.path() / "run").string()}, 1, kNoMpi);
  EXPECT_NE(run.exit_code, 0) << "the variable that keeps MPI from starting has lost its effect";
}

TEST(ConfigCommand, PrintsWhatLoadsToTheSameConfig) {
  const TemporaryFolder folder;
  const std::string saved = (folder.path() / "saved.yaml").string();
  const ProcessResult first =
      run_weft({"config", tiny_config(), "--set", "simulation.neurons=30", "--set", "training.steps=7"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  std::ofstream(saved) << first.out;
  EXPECT_EQ(load_config(saved).simulation.neurons, 30);
  EXPECT_EQ(first.out, to_yaml(load_config(tiny_config(), {"simulation.neurons=30", "training.steps=7"})));
  EXPECT_EQ(run_weft({"config", saved}).out, first.out);
}

TEST(ConfigCommand, PrintsTheReferenceThatIsInTheDocuments) {
  const ProcessResult reference = run_weft({"config", "--reference"});
  EXPECT_EQ(reference.exit_code, 0) << reference.err;
  EXPECT_EQ(reference.out, read_text(source_folder() / "docs" / "configuration.md"));
}

TEST(Help, ListsTheCommandsAndTheExitCodes) {
  const ProcessResult help = run_weft({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part : {"run ", "simulate ", "train ", "evaluate ", "report ", "config ", "inspect ",
                           "--version", "0 done, 1 failure", "2 the user's mistake"})
    EXPECT_THAT(help.out, HasSubstr(part));
  EXPECT_EQ(run_weft({}).out, help.out);
}

TEST(Help, OfAStageListsItsOwnOptions) {
  for (const char* command : {"run", "train"}) {
    const ProcessResult help = run_weft({command, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr(std::string("Usage: weft ") + command));
    for (const char* part : {"CONFIG", "--output DIR", "--set KEY.PATH=VALUE",
                             "--redo STAGE:{evaluate,report,simulate,train}", "--log-level LEVEL:"})
      EXPECT_THAT(help.out, HasSubstr(part));
  }
}

TEST(Output, IsBelowRunsUnderTheNameOfTheConfig) {
  const TemporaryFolder folder;
  const ProcessResult simulation =
      run_process(weft_command({"simulate", tiny_config(), "--log-level", "warning"}), {}, folder.path());
  EXPECT_EQ(simulation.exit_code, 0) << simulation.err;
  EXPECT_THAT(simulation.err, IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "runs" / "tiny" / "data" / "activity.h5"));
}

}  // namespace
}  // namespace weft
