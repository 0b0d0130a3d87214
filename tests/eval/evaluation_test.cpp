#include "weft/eval/evaluation.hpp"

#include <cmath>
#include <limits>
#include <optional>

#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "assembly.hpp"
#include "support/mpi_main.hpp"
#include "support/scripted_control.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using nlohmann::json;

json evaluate_on(Communicator& ranks, const std::filesystem::path& file, const WholeModel& model,
                 bool with_truth = true) {
  std::optional<Truth> truth;
  if (with_truth) truth.emplace(file);
  Unattended control;
  return evaluate(ranks, FakeModel(model, ranks), Dataset(file), truth ? &*truth : nullptr, 1, control)
      .metrics;
}

/// The same keys, and the same numbers to a relative `tolerance`.
void expect_same(const json& metrics, const json& expected, double tolerance) {
  const json found = metrics.flatten(), wanted = expected.flatten();
  for (const auto& [key, value] : wanted.items()) {
    ASSERT_TRUE(found.contains(key)) << key;
    const double number = value.get<double>();
    EXPECT_NEAR(found[key].get<double>(), number, tolerance * std::max(1e-3, std::abs(number))) << key;
  }
  EXPECT_EQ(found.size(), wanted.size());
}

class Evaluate : public testing::Test {
 protected:
  TemporaryFolder folder_{test_world()};
  Assembly assembly_ = small_assembly(45);
  std::filesystem::path file_ = write_assembly(test_world(), folder_.path(), assembly_, true);

  json metrics_of(const WholeModel& model) { return evaluate_on(test_world(), file_, model); }
};

TEST_F(Evaluate, IsTheSameOnEveryRankAndOnAnyNumberOfRanks) {
  const WholeModel model = imperfect_model(assembly_);
  const json together = metrics_of(model);
  const json alone = evaluate_on(*make_self_communicator(), file_, model);
  expect_same(together, alone, 1e-11);
  EXPECT_EQ(broadcast_text(test_world(), together.dump()), together.dump());
}

TEST_F(Evaluate, FindsNoFaultWithTheTruth) {
  const json metrics = metrics_of(true_model(assembly_));
  // The plateau of tanh over [0.8, 1] xnorm is short of 1 by 4e-5.
  EXPECT_NEAR(metrics["connectivity"]["r2"], 1, 1e-12);
  EXPECT_NEAR(metrics["connectivity"]["slope"], 1, 1e-4);
  EXPECT_NEAR(metrics["connectivity"]["r2_strict"], 1, 1e-8);
  EXPECT_NEAR(metrics["connectivity"]["relative_error"], 0, 1e-4);
  EXPECT_NEAR(metrics["psi"]["max_error"], 0, 1e-4);
  EXPECT_NEAR(metrics["psi"]["rms_error"], 0, 1e-4);
  EXPECT_NEAR(metrics["phi"]["rms_error"], 0, 1e-14);
  EXPECT_NEAR(metrics["phi"]["relative_rms_error"], 0, 1e-14);
  EXPECT_EQ(metrics["clusters"]["count"], 3);
  EXPECT_EQ(metrics["clusters"]["accuracy"], 1);
  EXPECT_EQ(metrics["clusters"]["reference_count"], 3);
  EXPECT_EQ(metrics["clusters"]["reference_accuracy"], 1);
  EXPECT_GT(metrics["clusters"]["silhouette"], 0.9);
  EXPECT_EQ(metrics["data"], (json{{"neurons", 45}, {"frames", 50}, {"xnorm", 6.0}}));
  ASSERT_EQ(metrics["types"].size(), 3);
  for (const json& type : metrics["types"]) {
    EXPECT_NEAR(type["tau"], type["true_tau"], 1e-4);
    EXPECT_NEAR(type["s"], type["true_s"], 1e-4);
  }
  EXPECT_FALSE(metrics.contains("error_bars"));
}

/// (W, psi) -> (W / factor, factor psi)
WholeModel rescaled(WholeModel model, float factor) {
  for (float& weight : model.connectivity) weight /= factor;
  model.psi = [psi = model.psi, factor](double x) { return factor * psi(x); };
  return model;
}

TEST_F(Evaluate, IsBlindToTheScaleOfPsi) {
  const WholeModel model = imperfect_model(assembly_);
  const json before = metrics_of(model);
  json after = metrics_of(rescaled(model, 4));
  EXPECT_DOUBLE_EQ(after["gauge"]["psi_scale"].get<double>(), 4 * before["gauge"]["psi_scale"].get<double>());
  after["gauge"] = before["gauge"];
  expect_same(after, before, 1e-12);
}

TEST_F(Evaluate, IsBlindToTheSignOfPsiButForTheLowerMiddleOfAnEvenMedian) {
  const WholeModel model = imperfect_model(assembly_);
  const json before = metrics_of(model);
  json after = metrics_of(rescaled(model, -4));
  EXPECT_NEAR(after["gauge"]["psi_scale"], -4 * before["gauge"]["psi_scale"].get<double>(), 1e-5);
  after["gauge"] = before["gauge"];
  expect_same(after, before, 1e-5);
}

TEST_F(Evaluate, IsBlindToTheOffsetOfPsiButForThePublishedSlope) {
  WholeModel model = imperfect_model(assembly_);
  const json before = metrics_of(model);
  constexpr double offset = 0.5;
  std::vector<double> row_sums(45);
  for (int i = 0; i < 45 * 45; ++i) row_sums[i / 45] += model.connectivity[i];
  model.psi = [psi = model.psi](double x) { return psi(x) + offset; };
  model.phi = [phi = model.phi, row_sums](std::int64_t neuron, double x) {
    return phi(neuron, x) - offset * row_sums[neuron];
  };
  json after = metrics_of(model);

  const double plateau = before["gauge"]["psi_plateau"].get<double>();
  EXPECT_NEAR(after["connectivity"]["slope"],
              before["connectivity"]["slope"].get<double>() * (plateau + offset) / plateau, 1e-10);
  EXPECT_NEAR(after["gauge"]["psi_offset"], -offset, 1e-10);
  EXPECT_NEAR(after["gauge"]["psi_scale"], before["gauge"]["psi_scale"], 1e-10);
  after["gauge"] = before["gauge"];
  after["connectivity"]["slope"] = before["connectivity"]["slope"];
  expect_same(after, before, 1e-9);
}

TEST_F(Evaluate, SaysNothingOfWhatNeedsAnUnknownTruth) {
  const json metrics = evaluate_on(test_world(), file_, imperfect_model(assembly_), false);
  const json keys{"/clusters/count",
                  "/clusters/latents/count",
                  "/clusters/latents/silhouette",
                  "/clusters/reference_count",
                  "/clusters/silhouette",
                  "/data/frames",
                  "/data/neurons",
                  "/data/xnorm",
                  "/gauge/plateau_variation",
                  "/gauge/psi_offset",
                  "/gauge/psi_plateau",
                  "/gauge/psi_scale"};
  json whole = metrics;
  EXPECT_EQ(whole["types"].size(), 3);
  for (const json& type : whole["types"])
    for (const char* key : {"true_type", "true_tau", "true_s"}) EXPECT_FALSE(type.contains(key)) << key;
  whole.erase("types");
  const json flat = whole.flatten();
  json found = json::array();
  for (const auto& [key, value] : flat.items()) found.push_back(key);
  EXPECT_EQ(found, keys);
}

TEST_F(Evaluate, HasNoPsiErrorsWherePsiHasNoPlateau) {
  WholeModel model = imperfect_model(assembly_);
  model.psi = [](double x) { return std::abs(x) < 4 ? std::sin(x) : 0; };
  const json metrics = metrics_of(model);
  EXPECT_FALSE(metrics.contains("psi"));
  EXPECT_FALSE(metrics["connectivity"].contains("slope"));
  EXPECT_TRUE(metrics["connectivity"].contains("r2"));
  EXPECT_TRUE(metrics["phi"].contains("rms_error"));
}

TEST_F(Evaluate, GivesThePsiErrorsOfTheWorstGroup) {
  WholeModel model = true_model(assembly_);
  model.further_psi = {[](double x) { return std::tanh(x) + (x > 0 ? 0.03 : 0); },
                       [](double x) { return std::tanh(x); }};
  const json metrics = metrics_of(model);
  EXPECT_NEAR(metrics["psi"]["max_error"], 0.03, 1e-4);
  EXPECT_NEAR(metrics["psi"]["rms_error"], 0.03 / std::sqrt(2), 1e-3);
}

TEST_F(Evaluate, TellsOfTheErrorsOfTheWeightsWhereTheMethodHasThem) {
  WholeModel model = imperfect_model(assembly_);
  model.errors = WeightErrors{std::vector<double>(45, 2.0), std::vector<double>(45, 0.25),
                              std::vector<double>(45, 0.01), std::vector<PresynapticState>(45)};
  std::optional<Truth> truth(file_);
  Unattended control;
  const Evaluation evaluation =
      evaluate(test_world(), FakeModel(model, test_world()), Dataset(file_), &*truth, 1, control);
  EXPECT_TRUE(evaluation.metrics["error_bars"].contains("mean"));
  EXPECT_TRUE(evaluation.metrics["error_bars"].contains("coverage_95"));
  if (test_world().rank() != 0) return;
  const NeuronTable& table = evaluation.neurons;
  EXPECT_EQ(table.errors.residual, model.errors->residual);
  ASSERT_EQ(table.outgoing_error.size(), 45);
  EXPECT_NEAR(table.outgoing_error[44], 0.5 * evaluation.figures.psi_scale, 1e-12);
  EXPECT_EQ(table.cluster, evaluation.figures.latents.cluster);
  EXPECT_EQ(table.type, assembly_.types.neuron_type);
  EXPECT_EQ(table.fitted.rate.size(), 45);
}

TEST_F(Evaluate, NamesTheNeuronWhoseLatentIsNotFinite) {
  WholeModel model = imperfect_model(assembly_);
  model.latents[44][1] = std::numeric_limits<double>::infinity();
  expect_user_error([&] { metrics_of(model); }, {"trained model", "neuron 44", "not finite"});
}

TEST_F(Evaluate, RefusesAModelThatIsShardedOtherwise) {
  const WholeModel model = imperfect_model(assembly_);
  const FakeModel otherwise(model, test_world().size() + 1, test_world().rank());
  Unattended control;
  EXPECT_THROW(evaluate(test_world(), otherwise, Dataset(file_), nullptr, 1, control), InternalError);
}

TEST_F(Evaluate, ReportsProgressToItsEnd) {
  const WholeModel model = imperfect_model(assembly_);
  ScriptedControl control([](std::int64_t) { return Wish::go_on; });
  evaluate(test_world(), FakeModel(model, test_world()), Dataset(file_), nullptr, 1, control);
  const std::vector<Progress>& seen = control.told();
  ASSERT_FALSE(seen.empty());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].stage, "evaluate");
    EXPECT_EQ(seen[i].done, static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(seen.back().done, seen.back().total);
}

TEST_F(Evaluate, StopsOnAllRanksWhereOneOfThemWishesIt) {
  const WholeModel model = imperfect_model(assembly_);
  const bool wishes = test_world().rank() == test_world().size() - 1;
  ScriptedControl control([&](std::int64_t poll) { return wishes && poll == 2 ? Wish::stop : Wish::go_on; });
  EXPECT_THROW(evaluate(test_world(), FakeModel(model, test_world()), Dataset(file_), nullptr, 1, control),
               Stopped);
  EXPECT_EQ(control.polls(), 3);
}

}  // namespace
}  // namespace weft
