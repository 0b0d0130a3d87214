#include <limits>

#include <gtest/gtest.h>

#include "weft/config/config.hpp"

#include "support/user_error.hpp"

namespace weft {
namespace {

void expect_refused(const std::string& yaml, std::initializer_list<std::string_view> pieces) {
  SCOPED_TRACE(yaml);
  expect_user_error([&] { parse_config(yaml, "c.yaml"); }, pieces);
}

void expect_override_refused(const std::string& text, std::initializer_list<std::string_view> pieces) {
  SCOPED_TRACE(text);
  expect_user_error([&] { parse_config("", "c.yaml", {text}); }, pieces);
}

TEST(Reader, ReadsEverySection) {
  const Config config = parse_config(R"(
name: all
seed: 18446744073709551615
device: cuda
threads: 3
simulation:
  burn_in: 107
  noise: 0.5
  trajectories: 2
  derivative_snr_db: 20
  connectivity: {distribution: gaussian, cutoff: 10, exponent: 0.5, sparsity: 0.95}
  types:
    - {gain: -5, self_coupling: 0.25, tau: 2}
    - tau: 4
data: {path: recordings/fish 1.h5}
training:
  method: adam
  final_rate: 0.1
  initial_model: runs/before
  psi_splines: 16
  phi_splines: 4
  psi_groups: types
  tf32: true
  learning_rate: {embedding: 7.5e-4}
  loss: {l1: 1e-5, l2: 2}
)",
                                     "c.yaml");
  EXPECT_EQ(config.name, "all");
  EXPECT_EQ(config.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(config.device, DeviceKind::cuda);
  EXPECT_EQ(config.threads, 3);
  EXPECT_EQ(config.simulation.burn_in, 107);
  EXPECT_EQ(config.simulation.noise, 0.5);
  EXPECT_EQ(config.simulation.trajectories, 2);
  EXPECT_EQ(config.simulation.derivative_snr_db, 20);
  EXPECT_EQ(config.simulation.connectivity.distribution, ConnectivityDistribution::gaussian);
  EXPECT_EQ(config.simulation.connectivity.cutoff, 10);
  EXPECT_EQ(config.simulation.connectivity.exponent, 0.5);
  EXPECT_EQ(config.simulation.connectivity.sparsity, 0.95);
  ASSERT_EQ(config.simulation.types.size(), 2u);
  EXPECT_EQ(config.simulation.types[0].gain, -5);
  EXPECT_EQ(config.simulation.types[0].self_coupling, 0.25);
  EXPECT_EQ(config.simulation.types[0].tau, 2);
  EXPECT_EQ(config.simulation.types[1].gain, 10);
  EXPECT_EQ(config.simulation.types[1].tau, 4);
  EXPECT_EQ(config.data.path, "recordings/fish 1.h5");
  EXPECT_EQ(config.training.method, TrainingMethod::adam);
  EXPECT_EQ(config.training.final_rate, 0.1);
  EXPECT_EQ(config.training.initial_model, "runs/before");
  EXPECT_EQ(config.training.psi_splines, 16);
  EXPECT_EQ(config.training.phi_splines, 4);
  EXPECT_EQ(config.training.psi_groups, "types");
  EXPECT_TRUE(config.training.tf32);
  EXPECT_EQ(config.training.learning_rate.embedding, 7.5e-4);
  EXPECT_EQ(config.training.loss.l1, 1e-5);
  EXPECT_EQ(config.training.loss.l2, 2);
}

TEST(Reader, WholeNumbersMayBeWrittenAsPowersOfTen) {
  for (const std::string text : {"20000", "2e4", "2E+4", "+20000", "20000.0"}) {
    EXPECT_EQ(parse_config("training: {steps: " + text + "}", "c.yaml").training.steps, 20000) << text;
  }
}

TEST(Reader, ASectionWithNothingBelowItKeepsItsDefaults) {
  EXPECT_EQ(parse_config("training:\n  # steps: 3\nseed: 1\n", "c.yaml").training.steps,
            TrainingConfig{}.steps);
}

TEST(Reader, AnUnknownKeyNamesTheNearest) {
  expect_refused("simulation:\n  neurns: 5\n",
                 {"c.yaml:2: simulation.neurns: unknown key", "nearest known key is simulation.neurons"});
  expect_refused("\n\ntrainig:\n  steps: 5\n", {"c.yaml:3: trainig: unknown key", "is training"});
  expect_refused("sede: 5\n", {"c.yaml:1: sede", "is seed"});
  expect_refused("simulation: {typs: []}\n", {"simulation.typs", "is simulation.types"});
}

TEST(Reader, AKeyInTheWrongSectionFindsItsOwn) {
  expect_refused("neurons: 5\n", {"c.yaml:1: neurons: unknown key", "is simulation.neurons"});
  expect_refused("training: {sparsity: 0.5}\n", {"is simulation.connectivity.sparsity"});
}

TEST(Reader, AnUnknownKeyOfATypeNamesItsItem) {
  expect_refused("simulation:\n  types:\n    - gain: 1\n    - {gain: 2, taw: 3}\n",
                 {"c.yaml:4: simulation.types.1.taw: unknown key", "is simulation.types[].tau"});
}

TEST(Reader, TheWrongTypeIsRefused) {
  expect_refused("simulation: {neurons: 12abc}",
                 {"c.yaml:1: simulation.neurons: \"12abc\" is not a whole number",
                  "expected a whole number, 2 to 10000000", "the default is 1000"});
  expect_refused("simulation: {neurons: 12.5}", {"\"12.5\" is not a whole number"});
  expect_refused("simulation: {neurons: \"100\"}", {"\"100\" is not a whole number"});
  expect_refused("simulation: {neurons: 0x10}", {"\"0x10\" is not a whole number"});
  expect_refused("simulation: {neurons: 1_000}", {"\"1_000\" is not a whole number"});
  expect_refused("simulation: {dt: fast}",
                 {"simulation.dt: \"fast\" is not a number", "expected a number, above 0"});
  expect_refused("simulation: {dt: true}", {"\"true\" is not a number"});
  expect_refused("simulation:\n  dt: 0,01", {"\"0,01\" is not a number"});
  expect_refused("simulation: {dt: '0.01'}", {"\"0.01\" is not a number"});
  expect_refused("simulation:\n  dt:\n", {"c.yaml:2: simulation.dt: it has no value"});
  expect_refused("simulation: {dt: [0.01]}", {"simulation.dt: a list where a value belongs"});
  expect_refused("simulation: {dt: {a: 1}}", {"simulation.dt: a map where a value belongs"});
}

TEST(Reader, AnOptionalNumberHasAWordForNone) {
  const std::string yaml = "simulation: {derivative_snr_db: 10, connectivity: {exponent: 0.5}}";
  const Config config = parse_config(
      yaml, "c.yaml", {"simulation.derivative_snr_db=none", "simulation.connectivity.exponent=auto"});
  EXPECT_FALSE(config.simulation.derivative_snr_db.has_value());
  EXPECT_FALSE(config.simulation.connectivity.exponent.has_value());
  expect_refused("simulation: {connectivity: {exponent: none}}", {"\"none\" is not a number"});
}

TEST(Reader, NumbersThatAreNoneAreRefused) {
  for (const std::string text : {"nan", "NaN", ".nan", "inf", "-inf", ".inf", "1e999"}) {
    expect_refused("simulation: {noise: " + text + "}", {"simulation.noise", "not a", "number, 0 or more"});
    expect_refused("training: {steps: " + text + "}", {"training.steps", "not a"});
  }
}

TEST(Reader, AValueOutOfRangeIsRefused) {
  expect_refused("simulation: {dt: 0}",
                 {"simulation.dt: 0 is out of range", "a number, above 0", "default is 0.01"});
  expect_refused("simulation: {noise: -1}", {"-1 is out of range", "0 or more"});
  expect_refused("simulation: {neurons: 1}", {"1 is out of range", "2 to 10000000"});
  expect_refused("simulation: {connectivity: {sparsity: 1}}", {"1 is out of range", "0 or more, below 1"});
  expect_refused("simulation: {types: [{tau: 0}]}", {"simulation.types.0.tau: 0 is out of range"});
  expect_refused("seed: -1", {"seed: -1 is out of range", "0 to 18446744073709551615"});
  expect_refused("seed: 18446744073709551616", {"seed: 18446744073709551616 is out of range"});
  expect_refused("training: {steps: 1e300}", {"1e300 is out of range"});
  expect_refused("training: {psi_splines: 3}", {"3 is out of range", "4 to 1000"});
  expect_refused("training: {phi_splines: 1001}", {"1001 is out of range", "4 to 1000"});
  expect_refused("training: {final_rate: 1.5}", {"1.5 is out of range", "0 to 1"});
  expect_refused("threads: 5000000000", {"threads: 5000000000 is out of range", "0 to 4096"});
}

TEST(Reader, AChoiceNamesTheOthers) {
  expect_refused("device: gpu",
                 {"device: \"gpu\" is none of them", "one of auto, cpu, cuda", "default is auto"});
  expect_refused("training: {method: sgd}", {"one of adam, varpro"});
  expect_refused("simulation: {connectivity: {distribution: uniform}}", {"one of cauchy, gaussian"});
  expect_refused("simulation: {connectivity: {exponent: big}}",
                 {"\"big\" is not a number", "auto or a number"});
  expect_refused("simulation: {derivative_snr_db: auto}",
                 {"\"auto\" is not a number", "none or a number, -100 to 200", "default is none"});
}

TEST(Reader, ASwitchIsTrueOrFalse) {
  EXPECT_FALSE(parse_config("training: {tf32: false}", "c.yaml").training.tf32);
  for (const std::string text : {"1", "yes", "'true'", "True"}) {
    expect_refused("training: {tf32: " + text + "}",
                   {"training.tf32", "is neither true nor false", "one of true, false", "default is false"});
  }
}

TEST(Reader, ANameMustBeAbleToNameAFolder) {
  for (const std::string text : {"a/b", "..", ".", "''", "\"a\\nb\""}) {
    expect_refused("name: " + text, {"c.yaml:1: name: ", "cannot name a folder", "leave it out"});
  }
}

TEST(Reader, AKeyGivenTwiceIsRefused) {
  expect_refused("seed: 1\nthreads: 2\nseed: 3\n", {"c.yaml:3: seed: set twice, first on line 1"});
  expect_refused("training: {steps: 1}\ntraining: {batch_size: 1}\n", {"c.yaml:2: training: set twice"});
}

TEST(Reader, AListWhereAMapBelongsIsRefused) {
  expect_refused("training:\n  - steps: 1\n", {"c.yaml:1: training: a list where a map belongs"});
  expect_refused("- seed: 1\n", {"c.yaml:1: a list where a map belongs"});
  expect_refused("just words\n", {"c.yaml:1: \"just words\" where a map belongs", "docs/configuration.md"});
  expect_refused("simulation: {types: [5]}", {"simulation.types.0: \"5\" where a map belongs"});
  expect_refused("[1, 2]: 5\n", {"c.yaml:1: a list where a key belongs"});
}

TEST(Reader, TypesMustBeAListOfOneOrMore) {
  expect_refused("simulation:\n  types: []\n",
                 {"c.yaml:2: simulation.types: an empty list", "one item or more"});
  expect_refused("simulation: {types: {gain: 1}}", {"simulation.types: a map where a list belongs"});
  expect_refused("simulation: {types: }", {"simulation.types: nothing where a list belongs"});
}

TEST(Reader, WhatIsNotYamlNamesTheLine) {
  expect_refused("seed: 1\nsimulation: {neurons: 5\ndt: 1\n", {"c.yaml:", "not YAML (", "column"});
  expect_refused("seed: 1\n\tthreads: 2\n", {"c.yaml:2: not YAML ("});
  expect_refused("name: *nobody\n", {"c.yaml:1: not YAML ("});
  expect_refused(std::string("\x89HDF\r\n\x1a\n\0\0", 10), {"c.yaml:"});
}

TEST(Reader, ASecondDocumentIsRefused) {
  expect_refused("seed: 1\n---\nseed: 2\n", {"c.yaml:2: a second YAML document begins"});
}

TEST(Reader, AStrayBracketIsRefused) {
  for (const std::string text : {"]", "}", "{seed: 1}\n}", "seed: 1\n]"})
    expect_refused(text, {"c.yaml:", "YAML", "bracket"});
}

TEST(Reader, MessagesStayOnOneShortLine) {
  const std::string long_word(5000, 'x');
  try {
    parse_config("seed: " + long_word, "c.yaml");
    FAIL() << "a seed of letters was accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_LT(std::string(error.what()).size(), 300u);
  }
  expect_refused("\"two\\nlines\": 1", {"\"two\\x0alines\": unknown key"});
}

TEST(Override, ComesAfterTheFileAndInOrder) {
  const Config config = parse_config("seed: 1\n", "c.yaml", {"seed=2", "seed=3", "training.loss.l1=1e-5"});
  EXPECT_EQ(config.seed, 3u);
  EXPECT_EQ(config.training.loss.l1, 1e-5);
}

TEST(Override, NamesItemsOfAListByNumber) {
  const Config config = parse_config("", "c.yaml", {"simulation.types.3.tau=0.25"});
  EXPECT_EQ(config.simulation.types.at(3).tau, 0.25);
  EXPECT_EQ(config.simulation.types.at(3).self_coupling, 2);
  EXPECT_EQ(config.simulation.types.at(2).tau, 0.5);
}

TEST(Override, MaySetASectionOrAList) {
  const Config config =
      parse_config("training: {loss: {l2: 3}}", "c.yaml",
                   {"training.loss={l1: 1, phi_zero: 2}", "simulation.types=[{gain: 5}, {gain: 6}]"});
  EXPECT_EQ(config.training.loss.l1, 1);
  EXPECT_EQ(config.training.loss.l2, 3);
  ASSERT_EQ(config.simulation.types.size(), 2u);
  EXPECT_EQ(config.simulation.types[1].gain, 6);
}

TEST(Override, OfThePathMayTakeItAway) {
  EXPECT_EQ(parse_config("data: {path: a.h5}", "c.yaml", {"data.path=b=c.h5"}).data.path, "b=c.h5");
  EXPECT_TRUE(parse_config("data: {path: a.h5}", "c.yaml", {"data.path="}).data.path.empty());
}

TEST(Override, OfNoKeyNamesTheNearest) {
  expect_override_refused("simulation.dtt=1",
                          {"--set: simulation.dtt: unknown key", "nearest known key is simulation.dt"});
  expect_override_refused("simulation.dt.x=1", {"simulation.dt.x: unknown key"});
  expect_override_refused("simulation..dt=1", {"simulation.\"\".dt: unknown key", "is simulation.dt"});
  expect_override_refused("simulation.=1", {"simulation.\"\": unknown key"});
}

TEST(Override, OfNoItemSaysWhichThereAre) {
  expect_override_refused("simulation.types.4.gain=1", {"simulation.types: no item \"4\"", "0 to 3"});
  expect_override_refused("simulation.types.gain=1", {"no item \"gain\"", "0 to 3"});
  expect_override_refused("simulation.types.-1.gain=1", {"no item \"-1\""});
}

TEST(Override, WithoutAnEqualsSignIsRefused) {
  expect_override_refused("simulation.dt", {"--set: \"simulation.dt\"", "key.path=value"});
  expect_override_refused("=5", {"\"=5\"", "key.path=value"});
  expect_override_refused("", {"\"\"", "key.path=value"});
}

TEST(Override, ItsValueIsCheckedAsAFilesIs) {
  expect_override_refused("simulation.dt=-1", {"--set: simulation.dt: -1 is out of range"});
  expect_override_refused("training.steps=many", {"--set: training.steps: \"many\" is not a whole number"});
  expect_override_refused("training.steps=", {"--set: training.steps: it has no value"});
  expect_override_refused("training.loss={l1: [}", {"--set: training.loss", "not YAML"});
  expect_override_refused("training.loss={l9: 1}",
                          {"--set: training.loss.l9: unknown key", "is training.loss.l1"});
}

}  // namespace
}  // namespace weft
