#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "mistake.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// Mistakes in the config and on the command line, which are found before anything is written.
class ConfigMistakes : public testing::Test {
 protected:
  ~ConfigMistakes() override { EXPECT_FALSE(fs::exists(output())) << "something was written"; }

  fs::path output() const { return folder_.path() / "run"; }
  ProcessResult run(Words options, int ranks = 1, const Variables& variables = {}) const {
    options.insert(options.begin(), {"run", tiny_config(), "--output", output().string()});
    return run_weft(options, ranks, variables);
  }

  TemporaryFolder folder_;
};

TEST_F(ConfigMistakes, AnUnknownKey) {
  const fs::path file = folder_.path() / "misspelt.yaml";
  std::ofstream(file) << "simulation:\n  frames: 100\n  neurns: 30\n";
  for (const int ranks : {1, 3}) {
    expect_mistake(run_weft({"run", file.string(), "--output", output().string()}, ranks),
                   {file.string() + ":3", "simulation.neurns", "unknown key", "simulation.neurons"});
  }
}

TEST_F(ConfigMistakes, FewerNeuronsThanRanks) {
  expect_mistake(run({"--set", "simulation.types=[{gain: 1}]", "--set", "simulation.neurons=2"}, 3),
                 {"simulation.neurons", "2 neurons for 3 ranks", "start fewer ranks"});
}

TEST_F(ConfigMistakes, ReplicasThatDoNotDivideTheRanks) {
  expect_mistake(run({"--set", "training.replicas=4"}, 2),
                 {"training.replicas", "4 replicas for 2 ranks", "a divisor"});
}

TEST_F(ConfigMistakes, ANegativeTimeStep) {
  expect_mistake(run({"--set", "simulation.dt=-0.01"}),
                 {"simulation.dt", "-0.01", "out of range", "above 0"});
}

TEST_F(ConfigMistakes, AnOverrideOfNoKey) {
  expect_mistake(run({"--set", "training.stepz=3"}), {"--set", "training.stepz", "training.steps"});
  expect_mistake(run({"--set", "training.steps"}), {"--set", "key.path=value"});
}

TEST_F(ConfigMistakes, AGpuWhereThereIsNone) {
  for (const int ranks : {1, 3}) {
    expect_mistake(run({"--set", "device=cuda"}, ranks),
                   {"device: cuda, but ", "expected a GPU of its own for every rank", "set device: cpu"});
  }
}

/// The options of a closed-form training, and some more.
Words in_closed_form(const Words& settings) {
  Words options{"--set", "training.method=varpro"};
  for (const std::string& setting : settings) options.insert(options.end(), {"--set", setting});
  return options;
}

TEST_F(ConfigMistakes, FewerFramesThanAClosedFormHasUnknowns) {
  for (const int ranks : {1, 2}) {
    expect_no_answer(run(in_closed_form({"simulation.neurons=300", "simulation.frames=340"}), ranks),
                     {"simulation.frames", "334 frames to fit", "300 neurons and 40 splines of phi",
                      "expected at least 364 frames, better 455", "record more frames"});
  }
}

TEST_F(ConfigMistakes, MoreSplinesThanFrames) {
  expect_mistake(run(in_closed_form({"training.psi_splines=200"})),
                 {"training.psi_splines: 200 splines for 200 frames", "fewer splines than frames"});
  expect_mistake(run(in_closed_form({"training.phi_splines=300"})),
                 {"training.phi_splines: 300 splines for 200 frames"});
}

TEST_F(ConfigMistakes, AnInitialModelWhereNoneIsOfUse) {
  expect_mistake(run(in_closed_form({"training.initial_model=runs/x"})),
                 {"training.initial_model: runs/x", "varpro", "set training.method: adam"});
  expect_mistake(
      run({"--set", "training.initial_model=" + folder_.path().string()}),
      {"training.initial_model", folder_.path().string() + " holds no checkpoint", "a checkpoint"});
}

TEST_F(ConfigMistakes, GroupsOfPsiThatCannotBeUsed) {
  expect_mistake(run({"--set", "training.psi_groups=types"}),
                 {"training.psi_groups: types", "adam", "set training.method: varpro"});
  const std::string nowhere = (folder_.path() / "nowhere.txt").string();
  expect_mistake(run(in_closed_form({"training.psi_groups=" + nowhere})), {nowhere});
  const std::string file = (folder_.path() / "groups.txt").string();
  std::ofstream(file) << "0\n1\n0\n";
  expect_mistake(run(in_closed_form({"training.psi_groups=" + file})),
                 {file + ": 3 lines", "expected 24, one for each neuron"});
}

TEST_F(ConfigMistakes, AConfigThatIsNotThere) {
  const std::string file = (folder_.path() / "nowhere.yaml").string();
  expect_mistake(run_weft({"run", file, "--output", output().string()}), {file, "No such file"});
}

TEST_F(ConfigMistakes, AnUnknownOption) {
  for (const int ranks : {1, 3})
    expect_mistake(run({"--outputs", "elsewhere"}, ranks), {"command line", "--outputs", "--help"});
}

TEST_F(ConfigMistakes, AnUnknownStageToRedo) {
  expect_mistake(run({"--redo", "tran"}), {"--redo", "tran", "train"});
  expect_mistake(run({"--redo", "1"}), {"--redo", "1", "train"});
}

TEST_F(ConfigMistakes, AStageToRedoThatTheCommandDoesNotRun) {
  expect_mistake(run_weft({"train", tiny_config(), "--output", output().string(), "--redo", "evaluate"}),
                 {"--redo: evaluate", "expected train", "weft run --redo evaluate"});
}

TEST_F(ConfigMistakes, AnUnknownCommand) { expect_mistake(run_weft({"simulat"}), {"simulat", "--help"}); }

TEST_F(ConfigMistakes, ProcessesOfSlurmThatMpiDoesNotKnow) {
  expect_mistake(run({}, 1, {{"SLURM_NTASKS", "4"}}),
                 {"SLURM_NTASKS", "4 tasks", "MPI sees 1 rank", "mpirun -n 4"});
}

}  // namespace
}  // namespace weft
