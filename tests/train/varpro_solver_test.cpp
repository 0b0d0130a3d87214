// The closed form as a whole, on one assembly after the other whose wiring is known.

#include "weft/train/varpro_solver.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cumsum.h>

#include "weft/core/error.hpp"

#include "model/random_tensor.hpp"
#include "saved_training.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

TrainingConfig closed_form() {
  TrainingConfig config;
  config.method = TrainingMethod::varpro;
  return config;
}

/// The closed form on all ranks of the test, which hold the rows of one replica.
class Solved {
 public:
  explicit Solved(const WiredAssembly& assembly, const EquationForm& form = {},
                  std::vector<std::int64_t> groups = {}, const TrainingConfig& config = closed_form())
      : grid_(test_world(), 1), partition_(assembly.activity.size(1), grid_.shards()) {
    solver_ = std::make_unique<VarproSolver>(host(), grid_, assembly.data(partition_, grid_.shard()), config,
                                             std::move(groups), 3);
    solver_->start_from(form);
    train_unattended(*solver_);
  }
  const SplineNetwork& network() const { return solver_->network(); }
  nlohmann::json findings() const { return solver_->findings(); }
  const Identifiability& identifiability() const { return solver_->identifiability(); }
  std::int64_t first() const { return partition_.begin(grid_.shard()); }
  /// Of this rank's rows.
  double lost(const WiredAssembly& assembly) const {
    return lost_r2(network().connectivity, assembly.connectivity, first());
  }

 private:
  ProcessGrid grid_;
  RowPartition partition_;
  std::unique_ptr<VarproSolver> solver_;
};

double clip(double x) { return std::clamp(x, -1.0, 1.0); }
double hump(double x) { return std::tanh(x) + 1.5 * std::exp(-(x - 3) * (x - 3) / 4); }

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(VarproSolver, FindsTheWiringToNineNinesInDoublePrecision) {
  const WiredAssembly assembly({.neurons = 100, .frames = 1000});
  const Solved solved(assembly, {false, at::kDouble});
  EXPECT_LT(solved.lost(assembly), 1e-9);
  for (double x = -20; x <= 20; x += 0.5)
    EXPECT_NEAR(solved.network().psi_at(0, x), std::tanh(x), 1e-3) << "x = " << x;
  EXPECT_EQ(solved.identifiability().verdict, Verdict::good) << all_of(solved.identifiability().warnings);
  EXPECT_GT(solved.findings().at("/validation/r2"_json_pointer).get<double>(), 1 - 1e-8);
}

TEST(VarproSolver, FindsItInSinglePrecisionAndInDifferences) {
  const WiredAssembly assembly({.neurons = 100, .frames = 1000});
  EXPECT_LT(Solved(assembly).lost(assembly), 1e-8);
  EXPECT_LT(Solved(assembly, {true, at::kDouble}).lost(assembly), 1e-7);
}

class VarproSolverOnTrajectories : public testing::TestWithParam<bool> {};

TEST_P(VarproSolverOnTrajectories, FindsTheWiring) {
  const WiredAssembly assembly({.frames = 1000, .trajectories = 4});
  const Solved solved(assembly, {GetParam(), at::kDouble});
  EXPECT_LT(solved.lost(assembly), 1e-7);
  EXPECT_EQ(solved.identifiability().verdict, Verdict::good) << all_of(solved.identifiability().warnings);
  const nlohmann::json validation = solved.findings().at("validation");
  EXPECT_GT(validation.at("frames"), 5) << "no more than one trajectory holds out";
  // Differences leave out the first frame of each.
  const std::int64_t fitted = solved.identifiability().numbers.at("frames");
  EXPECT_EQ(fitted + validation.at("frames").get<std::int64_t>(), GetParam() ? 996 : 1000);
  EXPECT_GT(validation.at("r2").get<double>(), 1 - 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Forms, VarproSolverOnTrajectories, testing::Bool(),
                         [](const auto& test) { return test.param ? "Differenced" : "Plain"; });

struct Kind {
  std::string name;
  WiredOptions options;
  double lost;  ///< 1 - R^2 that is allowed
  std::int64_t psi_splines = 48;
};

class VarproSolverOn : public testing::TestWithParam<Kind> {};

TEST_P(VarproSolverOn, FindsTheWiring) {
  const WiredAssembly assembly(GetParam().options);
  TrainingConfig config = closed_form();
  config.psi_splines = GetParam().psi_splines;
  EXPECT_LT(Solved(assembly, {}, {}, config).lost(assembly), GetParam().lost);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, VarproSolverOn,
    testing::Values(Kind{"Gaussian", {.wiring = Wiring::gaussian}, 1e-7},
                    Kind{"Sparse", {.wiring = Wiring::sparse}, 1e-7}, Kind{"SixTypes", {.types = 6}, 1e-7},
                    Kind{"PrimeSize", {.neurons = 61}, 1e-6},
                    // Splines round its corners off, the less the more there are.
                    Kind{"Clip", {.frames = 2000, .psi = {clip}}, 2e-2},
                    Kind{"ClipWithManySplines", {.frames = 2000, .psi = {clip}}, 1e-3, 160},
                    Kind{"NotMonotone", {.frames = 1200, .psi = {hump}}, 1e-5}),
    [](const auto& test) { return test.param.name; });

TEST(VarproSolver, FindsAPsiForEachGroup) {
  const auto gain = [](double g) { return [g](double x) { return std::tanh(g * x); }; };
  const WiredAssembly assembly({.neurons = 80, .frames = 1600, .psi = {gain(0.4), gain(2.0)}});
  const Solved solved(assembly, {}, assembly.group);
  EXPECT_LT(solved.lost(assembly), 1e-5);
  EXPECT_NEAR(solved.network().psi_at(0, 1.5), std::tanh(0.6), 1e-2);
  EXPECT_NEAR(solved.network().psi_at(1, 1.5), std::tanh(3.0), 1e-2);
}

TEST(VarproSolver, SaysThatPsiIsNotShared) {
  const auto gain = [](double g) { return [g](double x) { return std::tanh(g * x); }; };
  const WiredAssembly assembly({.neurons = 80, .frames = 1600, .psi = {gain(0.1), gain(4.0)}});
  const Solved solved(assembly);
  EXPECT_NE(solved.identifiability().verdict, Verdict::good);
  EXPECT_THAT(all_of(solved.identifiability().warnings), testing::HasSubstr("training.psi_groups"));
}

TEST(VarproSolver, RefusesFewerFramesThanUnknowns) {
  const WiredAssembly assembly({.neurons = 60, .frames = 100});
  try {
    const Solved solved(assembly);
    FAIL() << "100 frames were enough for 60 neurons and 40 splines";
  } catch (const UnidentifiableError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("98 frames to fit"));
    EXPECT_THAT(error.what(), testing::HasSubstr("record 155 frames or more"));
  }
}

TEST(VarproSolver, NamesSilentNeurons) {
  WiredAssembly assembly({.neurons = 60, .frames = 800});
  assembly.activity.select(1, 7).fill_(0.3);
  const Solved solved(assembly);
  EXPECT_EQ(solved.network().errors.state[7], PresynapticState::silent);
  EXPECT_EQ(solved.network().errors.state[8], PresynapticState::heard);
  EXPECT_TRUE(std::isinf(solved.network().errors.column[7]));
  EXPECT_EQ(solved.network().connectivity.select(1, 7).abs().max().item<float>(), 0);
  EXPECT_THAT(all_of(solved.identifiability().warnings), testing::HasSubstr("1 neurons are silent"));
}

TEST(VarproSolver, SaysThatTwoNeuronsAreOne) {
  WiredAssembly assembly({.neurons = 60, .frames = 800});
  assembly.activity.select(1, 20).copy_(assembly.activity.select(1, 7));
  assembly.derivative.select(1, 20).copy_(assembly.derivative.select(1, 7));
  try {
    const Solved solved(assembly);
    FAIL() << "the weights of two equal neurons were told apart";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("neurons 7 and 20"));
  }
}

/// psi hardly rises where neuron 7 is, but it does: the neuron is not silent.
WiredAssembly with_saturated_neuron() {
  WiredAssembly assembly({.frames = 1500, .psi = {[](double x) { return std::tanh(x) + 3e-4 * x; }}});
  const at::Tensor activity = assembly.activity.select(1, 7).clone();
  assembly.replace_activity(7, 12 + activity / activity.std());
  return assembly;
}

TEST(VarproSolver, WarnsOfSaturatedNeurons) {
  const WiredAssembly assembly = with_saturated_neuron();
  const Solved solved(assembly);
  const WeightErrors& errors = solved.network().errors;
  EXPECT_EQ(errors.state[7], PresynapticState::saturated);
  EXPECT_EQ(std::ranges::count(errors.state, PresynapticState::heard), 59);
  EXPECT_EQ(solved.identifiability().verdict, Verdict::limited);
  EXPECT_THAT(all_of(solved.identifiability().warnings),
              testing::HasSubstr("1 neurons hardly vary where psi does"));
}

TEST(VarproSolver, FindsTheOtherWeightsBesideASaturatedNeuron) {
  const WiredAssembly assembly = with_saturated_neuron();
  const Solved solved(assembly);
  at::Tensor found = solved.network().connectivity.clone();
  found.select(1, 7).copy_(assembly.connectivity.select(1, 7).narrow(0, solved.first(), found.size(0)));
  // psi is brought to 1 where it still rises, by 3e-4 a unit of activity.
  EXPECT_LT(lost_r2(found, assembly.connectivity, solved.first()), 1e-4);
  EXPECT_NEAR(solved.network().psi_at(0, 0), 0, 1e-3);
}

TEST(VarproSolver, SaysThatFewDirectionsOfActivityOccur) {
  // Without noise, and so soon after the start, many frames are few independent samples.
  const WiredAssembly assembly({.noise = 0});
  const Solved solved(assembly);
  EXPECT_GT(solved.findings().at("/solver/weak_directions"_json_pointer), 5);
  EXPECT_NE(solved.identifiability().verdict, Verdict::good);
  EXPECT_THAT(all_of(solved.identifiability().warnings),
              testing::ContainsRegex("[0-9]+ of 60 directions of activity hardly occur"));
}

TEST(VarproSolver, SaysThatNoiseDrownsTheWeights) {
  WiredAssembly assembly({.neurons = 60, .frames = 800});
  assembly.difference(0.01);
  const Solved solved(assembly);
  EXPECT_EQ(solved.identifiability().verdict, Verdict::none);
  EXPECT_THAT(all_of(solved.identifiability().warnings),
              testing::HasSubstr("of the variance of the finite differences is noise"));
}

TEST(VarproSolver, GivesErrorBarsThatHold) {
  for (const double snr : {20.0, 10.0}) {
    WiredAssembly assembly({.neurons = 60, .frames = 3000});
    assembly.add_derivative_noise(snr);
    const Solved solved(assembly);
    const SplineNetwork& network = solved.network();
    double inside = 0, all = 0;
    for (std::int64_t i = 0; i < network.rows(); ++i) {
      for (std::int64_t j = 0; j < 60; ++j) {
        if (j == solved.first() + i) continue;
        const double error = std::abs(network.connectivity[i][j].item<double>() -
                                      assembly.connectivity[solved.first() + i][j].item<double>());
        inside += error < 1.96 * network.errors.row[static_cast<std::size_t>(i)] *
                              network.errors.column[static_cast<std::size_t>(j)]
                      ? 1
                      : 0;
        ++all;
      }
    }
    test_world().all_reduce(std::span<double>(&inside, 1), Reduction::sum).wait();
    test_world().all_reduce(std::span<double>(&all, 1), Reduction::sum).wait();
    EXPECT_GT(inside / all, 0.93) << snr << " dB";
    EXPECT_LT(inside / all, 0.97) << snr << " dB";
  }
}

TEST(VarproSolver, DoesNotTrustAWiringThatTheActivityCannotTell) {
  // Three slow signals, so weak that psi is nearly a straight line. The fit is excellent all the same.
  WiredAssembly assembly({.frames = 2000});
  const at::Tensor signals = 0.05 * random_tensor({2000, 3}, 4).cumsum(0);
  assembly.activity = signals.matmul(0.01 * random_tensor({3, 60}, 5));
  assembly.derivative = assembly.activity.tanh().matmul(assembly.connectivity.t()) - assembly.activity;
  const Solved solved(assembly);
  EXPECT_LT(solved.findings().at("/solver/residual"_json_pointer).get<double>(), 1e-4);
  EXPECT_EQ(solved.identifiability().verdict, Verdict::none);
  EXPECT_THAT(all_of(solved.identifiability().warnings),
              testing::HasSubstr("the activity goes in so few directions"));
}

TEST(VarproSolver, GoesOnInDoublePrecisionWhereSingleBreaksDown) {
  // Without noise the activity is smooth, and the columns of psi(x) are nearly dependent.
  const WiredAssembly assembly({.neurons = 150, .frames = 1500, .dt = 0.002, .noise = 0});
  const Solved solved(assembly);
  const nlohmann::json findings = solved.findings();
  EXPECT_GE(findings.at("/solver/fallbacks"_json_pointer).size(), 1u);
  EXPECT_EQ(findings.at("/solver/precision"_json_pointer), "float64");
  EXPECT_LT(findings.at("/solver/residual"_json_pointer).get<double>(), 1e-3);
  EXPECT_NE(solved.identifiability().verdict, Verdict::good);
  EXPECT_TRUE(std::isfinite(solved.network().connectivity.abs().max().item<double>()));
}

}  // namespace
}  // namespace weft
