#include "weft/config/config.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "support/paths.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

const std::filesystem::path kShipped = source_folder() / "configs";

std::filesystem::path write_file(const TemporaryFolder& folder, const std::string& name,
                                 const std::string& text) {
  const std::filesystem::path file = folder.path() / name;
  std::ofstream(file) << text;
  return file;
}

TEST(Config, AnEmptyFileIsAllDefaults) {
  const Config config = parse_config("", "empty.yaml");
  EXPECT_EQ(config.name, "empty");
  EXPECT_EQ(config.seed, 42u);
  EXPECT_EQ(config.device, DeviceKind::automatic);
  EXPECT_EQ(config.simulation.neurons, 1000);
  EXPECT_FALSE(config.simulation.connectivity.exponent.has_value());
  EXPECT_TRUE(config.data.path.empty());
  EXPECT_FALSE(config.simulation.derivative_snr_db.has_value());
  EXPECT_EQ(config.training.method, TrainingMethod::varpro);
  EXPECT_TRUE(config.training.psi_groups.empty());
  EXPECT_FALSE(config.training.tf32);
  EXPECT_EQ(config.training.learning_rate.psi, 5e-5);
}

TEST(Config, TheDefaultTypesAreThoseOfThePaper) {
  const auto types = parse_config("", "empty.yaml").simulation.types;
  ASSERT_EQ(types.size(), 4u);
  const double expected[4][3] = {{10, 1, 1}, {10, 2, 1}, {10, 1, 0.5}, {10, 2, 0.5}};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(types[i].gain, expected[i][0]);
    EXPECT_EQ(types[i].self_coupling, expected[i][1]);
    EXPECT_EQ(types[i].tau, expected[i][2]);
  }
}

TEST(Config, TheNameIsTheFilesUnlessGiven) {
  const TemporaryFolder folder;
  const auto file = write_file(folder, "my assembly.v2.yaml", "seed: 1\n");
  EXPECT_EQ(load_config(file).name, "my assembly.v2");
  EXPECT_EQ(load_config(file, {"name=given"}).name, "given");
}

TEST(Config, EveryShippedConfigLoads) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kShipped)) {
    if (entry.path().extension() != ".yaml") continue;
    ++count;
    EXPECT_EQ(load_config(entry.path()).name, entry.path().stem());
  }
  EXPECT_GE(count, 6);
}

TEST(Config, SupplementaryFigure11IsThePublishedCase) {
  const Config config = load_config(kShipped / "allier2026_supp11.yaml");
  EXPECT_EQ(config.simulation.neurons, 8000);
  EXPECT_EQ(config.simulation.frames, 100000);
  EXPECT_EQ(config.simulation.noise, 1);
  EXPECT_EQ(config.simulation.types.size(), 4u);
  EXPECT_EQ(config.training.steps, 3 * 300000 + 285000);
  EXPECT_EQ(config.training.batch_size, 1);
  EXPECT_EQ(config.training.epoch_steps, 300000);
  EXPECT_EQ(config.training.learning_rate.phi, 5e-5);
  EXPECT_EQ(config.training.loss.psi_monotone, 100);
  EXPECT_EQ(config.training.final_rate, 1);
}

TEST(Config, TheClosedFormsSupplementaryFigure11HasThePublishedAssembly) {
  const SimulationConfig published = load_config(kShipped / "allier2026_supp11.yaml").simulation;
  Config config = load_config(kShipped / "supp11.yaml");
  EXPECT_EQ(config.training.method, TrainingMethod::varpro);
  EXPECT_EQ(config.simulation.frames, 12000);
  config.simulation.frames = published.frames;
  Config expected = config;
  expected.simulation = published;
  EXPECT_EQ(stage_hash(config, Stage::simulate), stage_hash(expected, Stage::simulate));
}

TEST(Config, EveryShippedConfigHasTheMethodThatItWasWrittenFor) {
  for (const char* name : {"tiny", "quickstart_adam", "allier2026_supp11", "allier2026_fig2"})
    EXPECT_EQ(load_config(kShipped / (std::string(name) + ".yaml")).training.method, TrainingMethod::adam)
        << name;
  EXPECT_EQ(load_config(kShipped / "quickstart.yaml").training.method, TrainingMethod::varpro);
}

TEST(Config, Figure2IsThePublishedCase) {
  const Config config = load_config(kShipped / "allier2026_fig2.yaml");
  EXPECT_EQ(config.simulation.neurons, 1000);
  EXPECT_EQ(config.simulation.noise, 0);
  // The published code's steps of an epoch: frames * augmentation / batch * 0.2.
  EXPECT_EQ(config.training.epoch_steps, config.simulation.frames * 50 / config.training.batch_size / 5);
  EXPECT_EQ(config.training.learning_rate.embedding, 7.5e-4);
  EXPECT_EQ(config.training.loss.psi_monotone, 0);
}

TEST(Config, AMissingFileIsNamed) {
  expect_user_error([] { load_config("no/such.yaml"); }, {"no/such.yaml: No such file", "check the path",
                                                          std::filesystem::current_path().string()});
}

TEST(Config, AFolderIsNoConfig) {
  const TemporaryFolder folder;
  expect_user_error([&] { load_config(folder.path()); },
                    {folder.path().string() + ": a folder", "a config in YAML"});
}

TEST(Config, TheLineInAFileIsNamed) {
  const TemporaryFolder folder;
  const auto file = write_file(folder, "bad.yaml", "# a comment\nsimulation:\n  neurons: 50\n  dt: -0.01\n");
  expect_user_error([&] { load_config(file); }, {file.string() + ":4: simulation.dt: -0.01 is out of range"});
}

TEST(Config, FewerNeuronsThanTypesAreRefused) {
  expect_user_error([] { parse_config("simulation: {neurons: 3}", "c.yaml"); },
                    {"c.yaml: simulation.neurons: 3 neurons of 4 types", "at least 4"});
  EXPECT_EQ(parse_config("simulation: {neurons: 4}", "c.yaml").simulation.neurons, 4);
}

TEST(Config, ABurnInTooShortToSizeTheDerivativesNoiseIsRefused) {
  const auto yaml = [](int steps) {
    return "simulation: {derivative_snr_db: 20, burn_in: " + std::to_string(steps) + "}";
  };
  expect_user_error([&] { parse_config(yaml(99), "c.yaml"); },
                    {"c.yaml: simulation.burn_in: 99 steps with a derivative_snr_db of 20", "at least 100",
                     "simulation.derivative_snr_db: none"});
  EXPECT_EQ(parse_config(yaml(100), "c.yaml").simulation.burn_in, 100);
  EXPECT_EQ(parse_config("simulation: {burn_in: 0}", "c.yaml").simulation.burn_in, 0);
}

TEST(Config, ABatchThatReplicasCannotShareEquallyIsRefused) {
  for (const int frames : {2, 8}) {
    const std::string yaml =
        "training: {method: adam, batch_size: " + std::to_string(frames) + ", replicas: 3}";
    expect_user_error([&] { parse_config(yaml, "c.yaml"); },
                      {"c.yaml: training.batch_size: " + std::to_string(frames) + " frames for 3 replicas",
                       "a multiple of training.replicas, 3", "change training.batch_size"});
  }
  EXPECT_EQ(parse_config("training: {method: adam, batch_size: 9, replicas: 3}", "c.yaml").training.replicas,
            3);
  EXPECT_EQ(parse_config("training: {method: varpro, replicas: 3}", "c.yaml").training.replicas, 3);
}

}  // namespace
}  // namespace weft
