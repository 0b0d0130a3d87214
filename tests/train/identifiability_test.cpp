// What is said of the data and of the answer: each thing alone, just beyond its threshold and just short of
// it.

#include "weft/train/identifiability.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>

#include "weft/core/error.hpp"

#include "model/random_tensor.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNeurons = 20;

/// All that `judge` looks at. As made, there is nothing to be said: W is 1 off the diagonal, its standard
/// errors 0.1.
struct Findings {
  DataOutlook outlook{kNeurons, 1000, 100, {}};
  PsiSearchResult search;
  PhiShapes shapes{{1, 2, 3, 4}, 4, true, {0.5, 1e-5}};
  RowSolution solution;
  double scale_error = 1e-4;
  SplineNetwork network{RowPartition(kNeurons, test_world().size()), test_world().rank()};

  Findings() {
    search.residuals = {0.5, 1e-2, 1e-4};
    search.total_squares = 1;
    leave_in_search(1e-4);
    solution.residuals = {1e-4};
    solution.validation_r2 = 1 - 1e-8;
    const std::int64_t rows = network.rows();
    network.connectivity = at::ones({rows, kNeurons}, at::kFloat);
    for (std::int64_t i = 0; i < rows; ++i)
      network.connectivity[i][network.partition.begin(network.shard) + i] = 0;
    network.errors.row.assign(static_cast<std::size_t>(rows), 0.1);
    network.errors.column.assign(kNeurons, 1);
    network.errors.state.assign(kNeurons, PresynapticState::heard);
  }

  void leave_in_search(double residual) { search.residual_squares = residual * residual; }
  /// The residual of all rows, which the sampled ones and frames held out have as well.
  void leave_in_rows(double residual) {
    search.residuals.front() = 1;
    leave_in_search(residual);
    solution.residuals.back() = residual;
    solution.validation_r2 = 1 - residual * residual;
  }
  void set_error_of_rows(double error) { std::ranges::fill(network.errors.row, error); }
  void silence(std::size_t neuron) {
    network.errors.column[neuron] = std::numeric_limits<double>::infinity();
    network.connectivity.select(1, static_cast<std::int64_t>(neuron)).zero_();
    ++solution.silent_columns;
  }
  Identifiability judged() {
    return judge(test_world(), outlook, search, shapes, solution, scale_error, network);
  }
};

TEST(Judge, HasNothingToSayOfAGoodAnswer) {
  Findings findings;
  const Identifiability result = findings.judged();
  EXPECT_EQ(result.verdict, Verdict::good);
  EXPECT_THAT(result.warnings, IsEmpty());
  EXPECT_THAT(findings.network.errors.state, testing::Each(PresynapticState::heard));
  EXPECT_EQ(result.to_json().at("verdict"), "good");
  EXPECT_EQ(result.to_json().at("warnings"), nlohmann::json::array());
}

struct Provocation {
  std::string name;
  std::function<void(Findings&)> beyond, short_of;
  Verdict verdict;
  std::string warning;
};

class EachWarning : public testing::TestWithParam<Provocation> {};

TEST_P(EachWarning, ComesAloneBeyondItsThreshold) {
  Findings findings;
  GetParam().beyond(findings);
  const Identifiability result = findings.judged();
  EXPECT_EQ(result.verdict, GetParam().verdict);
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr(GetParam().warning)));
}

TEST_P(EachWarning, IsAbsentShortOfIt) {
  Findings findings;
  GetParam().short_of(findings);
  const Identifiability result = findings.judged();
  EXPECT_EQ(result.verdict, Verdict::good);
  EXPECT_THAT(result.warnings, IsEmpty());
}

std::function<void(Findings&)> column_error(double error) {
  return [error](Findings& f) {
    f.set_error_of_rows(1e-5);  // so that the error of this column is no noise that drowns the weights
    f.network.errors.column[3] = error;
  };
}
std::function<void(Findings&)> search_leaves(double first, double last) {
  return [=](Findings& f) {
    f.search.residuals.front() = first;
    f.leave_in_search(last);
  };
}
std::function<void(Findings&)> rows_leave(double residual, double autocorrelation) {
  return [=](Findings& f) {
    f.leave_in_rows(residual);
    f.solution.residual_autocorrelation = autocorrelation;
  };
}
std::function<void(Findings&)> rows_and_sampled_leave(double all, double sampled) {
  return [=](Findings& f) {
    f.leave_in_rows(all);
    f.leave_in_search(sampled);
  };
}

INSTANTIATE_TEST_SUITE_P(
    All, EachWarning,
    testing::Values(
        Provocation{"FewFrames", [](Findings& f) { f.outlook.frames = 109; },
                    [](Findings& f) { f.outlook.frames = 111; }, Verdict::limited,
                    "109 frames are hardly more than the 100 that 20 neurons need"},
        Provocation{"WeakDirections", [](Findings& f) { f.solution.weak_directions = 1; }, [](Findings&) {},
                    Verdict::limited, "1 of 20 directions of activity hardly occur"},
        Provocation{"Silent", [](Findings& f) { f.silence(3); }, [](Findings&) {}, Verdict::limited,
                    "1 neurons are silent"},
        Provocation{"Saturated", column_error(1010), column_error(990), Verdict::limited,
                    "1 neurons hardly vary where psi does"},
        Provocation{"NoisyDifferences", [](Findings& f) { f.outlook.white_noise = 0.11; },
                    [](Findings& f) { f.outlook.white_noise = 0.09; }, Verdict::limited,
                    "11 % of the variance of the finite differences is noise"},
        Provocation{"UncertainScale", [](Findings& f) { f.scale_error = 0.011; },
                    [](Findings& f) { f.scale_error = 0.009; }, Verdict::limited,
                    "the scale of W is known to 1.1 % only"},
        Provocation{"FewDirections", [](Findings& f) { f.solution.resolution = 0.94; },
                    [](Findings& f) { f.solution.resolution = 0.96; }, Verdict::limited,
                    "determines only 94 % of the weights"},
        Provocation{"HardlyAnyDirections", [](Findings& f) { f.solution.resolution = 0.49; },
                    [](Findings& f) { f.solution.resolution = 0.96; }, Verdict::none,
                    "determines only 49 % of the weights"},
        Provocation{"PsiNotShared", rows_leave(0.031, 0.31), rows_leave(0.029, 0.29), Verdict::limited,
                    "training.psi_groups"},
        Provocation{"ErrorBarsOfWhatIsNoNoise", rows_leave(0.029, 0.31), rows_leave(0.029, 0.29),
                    Verdict::limited, "(0.029) goes on from frame to frame (autocorrelation 0.31)"},
        Provocation{"ResidualThatIsNoNoise", rows_leave(0.2, 0.31), rows_leave(0.2, 0.29), Verdict::limited,
                    "goes on from frame to frame (autocorrelation 0.31)"},
        Provocation{"SearchThatLedNowhere", search_leaves(0.1, 0.091), search_leaves(0.1, 0.089),
                    Verdict::limited, "did not lower the residual (0.1 at first, 0.091 at the end)"},
        Provocation{"SearchWithNothingToLower", search_leaves(0.031, 0.031), search_leaves(0.029, 0.029),
                    Verdict::limited, "did not lower the residual"},
        Provocation{"TooFewShapes", [](Findings& f) { f.shapes.enough = false; }, [](Findings&) {},
                    Verdict::limited,
                    "1 shapes do not make up the phi of the sampled rows: they leave 1e-05"},
        Provocation{"RowsUnlikeTheSampled", rows_and_sampled_leave(0.2, 0.066),
                    rows_and_sampled_leave(0.2, 0.067), Verdict::limited,
                    "all rows are fitted to 0.2, those that psi was found from to 0.066"},
        Provocation{"RowsSlightlyUnlikeTheSampled", rows_and_sampled_leave(0.031, 1e-4),
                    rows_and_sampled_leave(0.029, 1e-4), Verdict::limited, "all rows are fitted to 0.031"},
        Provocation{"Overfit", [](Findings& f) { f.solution.validation_r2 = 0.89; },
                    [](Findings& f) { f.solution.validation_r2 = 0.91; }, Verdict::limited,
                    "held out are predicted with R^2 0.89, those fitted with 1"},
        Provocation{"LargeErrors", [](Findings& f) { f.set_error_of_rows(0.32); },
                    [](Findings& f) { f.set_error_of_rows(0.28); }, Verdict::limited,
                    "of the weights; record more frames"},
        Provocation{"DrowningErrors", [](Findings& f) { f.set_error_of_rows(0.98); },
                    [](Findings& f) { f.set_error_of_rows(0.28); }, Verdict::none, "noise drowns them"}),
    [](const auto& test) { return test.param.name; });

TEST(Judge, SetsTheStatesOfNeurons) {
  Findings findings;
  findings.network.errors.state.assign(kNeurons, PresynapticState::silent);
  findings.silence(3);
  column_error(2000)(findings);
  findings.network.errors.column[3] = std::numeric_limits<double>::infinity();
  findings.network.errors.column[7] = 2000;
  const Identifiability result = findings.judged();
  std::vector<PresynapticState> expected(kNeurons, PresynapticState::heard);
  expected[3] = PresynapticState::silent;
  expected[7] = PresynapticState::saturated;
  EXPECT_EQ(findings.network.errors.state, expected);
  EXPECT_EQ(result.numbers.at("silent_neurons"), 1);
  EXPECT_EQ(result.numbers.at("saturated_neurons"), 1);
}

TEST(Judge, TakesLargeErrorsForLimitedUpToThoseThatDrownTheWeights) {
  Findings findings;
  findings.set_error_of_rows(0.84);
  EXPECT_EQ(findings.judged().verdict, Verdict::limited);
  findings.set_error_of_rows(0.98);
  EXPECT_EQ(findings.judged().verdict, Verdict::none);
}

TEST(Judge, SaysHowManyTimesAsManyFramesItTakes) {
  Findings findings;
  findings.set_error_of_rows(3);
  // (3 / 0.3)^2, and 20 / 19 for the diagonal of 0.
  EXPECT_THAT(findings.judged().warnings, ElementsAre(HasSubstr("record 106 times as many frames")));
}

TEST(Judge, ComparesRmsErrorWithRmsWeightOfAllRanksRows) {
  Findings findings;
  at::Tensor& w = findings.network.connectivity;
  const std::int64_t first = findings.network.partition.begin(findings.network.shard);
  for (std::int64_t i = 0; i < findings.network.rows(); ++i) {
    w[i].mul_(static_cast<double>(first + i));
    findings.network.errors.row[static_cast<std::size_t>(i)] = static_cast<double>(1 + first + i);
  }
  for (std::size_t j = 0; j < kNeurons; ++j)
    findings.network.errors.column[j] = 0.01 * static_cast<double>(1 + j);
  double error = 0, weight = 0;
  for (std::int64_t i = 0; i < kNeurons; ++i) {
    weight += static_cast<double>((kNeurons - 1) * i * i);
    for (std::int64_t j = 0; j < kNeurons; ++j)
      error += std::pow(0.01 * static_cast<double>((1 + i) * (1 + j)), 2);
  }
  // Whether the diagonal counts is a matter of 3 %.
  const double expected = std::sqrt(error / weight);
  EXPECT_NEAR(findings.judged().numbers.at("error_to_weight").get<double>(), expected, 0.03 * expected);
}

TEST(Judge, CountsNothingThatUndeterminedColumnsHold) {
  Findings findings;
  const double before = findings.judged().numbers.at("error_to_weight");
  findings.silence(3);
  findings.network.errors.column[7] = 1e6;
  findings.network.connectivity.select(1, 7).fill_(1e5);
  const Identifiability result = findings.judged();
  EXPECT_NEAR(result.numbers.at("error_to_weight").get<double>(), before, 0.01 * before);
  EXPECT_EQ(result.verdict, Verdict::limited);
}

TEST(Judge, TakesWhatPredictsNothingForNone) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double r2 : {0.0, -0.5, nan}) {
    Findings findings;
    findings.solution.validation_r2 = r2;
    const Identifiability result = findings.judged();
    EXPECT_EQ(result.verdict, Verdict::none) << r2;
    ASSERT_THAT(result.warnings, testing::Not(IsEmpty())) << r2;
    EXPECT_THAT(result.warnings.front(), HasSubstr("worse than by their mean")) << r2;
  }
}

TEST(Judge, TakesWhatPredictsALittleForLimited) {
  Findings findings;
  findings.solution.validation_r2 = 0.01;
  EXPECT_EQ(findings.judged().verdict, Verdict::limited);
}

TEST(Judge, SaysNothingOfPredictionsWhereNothingWasHeldOut) {
  Findings findings;
  findings.solution.validation_r2.reset();
  const Identifiability result = findings.judged();
  EXPECT_EQ(result.verdict, Verdict::good);
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(Judge, MeasuresPredictionsAgainstTheNoiseOfTheFit) {
  Findings findings;
  rows_leave(0.9, 0)(findings);  // R^2 0.19 in the fit as out of it
  EXPECT_EQ(findings.judged().verdict, Verdict::good);
  findings.solution.validation_r2 = 0.08;
  EXPECT_EQ(findings.judged().verdict, Verdict::limited);
}

TEST(Judge, PutsFirstWhatMakesTheAnswerWorthless) {
  Findings findings;
  findings.solution.weak_directions = 4;
  findings.solution.validation_r2 = -1;
  const Identifiability result = findings.judged();
  EXPECT_EQ(result.verdict, Verdict::none);
  EXPECT_THAT(result.warnings,
              ElementsAre(HasSubstr("the answer is worth nothing"),
                          HasSubstr("directions of activity hardly occur"), HasSubstr("those fitted with")));
  EXPECT_EQ(result.to_json().at("verdict"), "none");
  EXPECT_EQ(result.to_json().at("warnings").size(), 3u);
}

TEST(Judge, ListsItsNumbers) {
  Findings findings;
  findings.solution.weak_directions = 4;
  findings.solution.residual_autocorrelation = 0.125;
  const nlohmann::json without = findings.judged().to_json();
  EXPECT_EQ(without.at("frames"), 1000);
  EXPECT_EQ(without.at("frames_needed"), 100);
  EXPECT_EQ(without.at("weak_directions"), 4);
  EXPECT_EQ(without.at("residual_autocorrelation"), 0.125);
  EXPECT_FALSE(without.contains("white_noise_of_differences"));
  findings.outlook.white_noise = 0.25;
  EXPECT_EQ(findings.judged().to_json().at("white_noise_of_differences"), 0.25);
}

TEST(RequireEnough, RefusesFewerFramesThanAreNeeded) {
  EXPECT_NO_THROW(require_enough({60, 124, 124, {}}));
  try {
    require_enough({60, 123, 124, {}});
    FAIL() << "123 frames were enough";
  } catch (const UnidentifiableError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("123 frames to fit"), HasSubstr("for 60 neurons"),
                      HasSubstr("expected at least 124"), HasSubstr("record 155 frames or more")));
  }
}

TEST(FewestFrames, CountUnknownsOfARowAndFourResidualsForEachOfPsi) {
  EXPECT_EQ(fewest_frames(60, 40, 48), 60 + 40 + 24);  // psi is found from 8 rows
  EXPECT_EQ(fewest_frames(60, 40, 3 * 48), 60 + 40 + 72);
  EXPECT_EQ(fewest_frames(60, 40, 49), 60 + 40 + 25);
  EXPECT_EQ(fewest_frames(3, 40, 48), 3 + 40 + 64);  // or from all, where there are fewer
}

/// What a shard of a recording whose derivative is made by differences, or was given, is told before the
/// solve.
DataOutlook outlook_of(const at::Tensor& activity, bool differences, std::vector<std::int64_t> starts = {0},
                       double derivative = 1) {
  const RowPartition partition(activity.size(1), test_world().size());
  const int shard = test_world().rank();
  const at::Tensor own =
      activity.narrow(1, partition.begin(shard), partition.size(shard)).to(at::kFloat).contiguous();
  TrainingData data{partition, shard, own, at::full_like(own, derivative), {}, 1, differences};
  data.frames.total = activity.size(0);
  data.frames.with_derivative.resize(static_cast<std::size_t>(activity.size(0)));
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  data.frames.trajectory_starts = std::move(starts);
  return look_at_data(test_world(), data, 40, 96);
}

constexpr std::int64_t kFrames = 400;

/// Waves of a period of 100 frames, neuron j with amplitude j + 1.
at::Tensor waves() {
  at::Tensor activity = at::ones({kFrames, kNeurons}, at::kDouble);
  for (std::int64_t t = 0; t < kFrames; ++t)
    for (std::int64_t j = 0; j < kNeurons; ++j)
      activity[t][j] = static_cast<double>(j + 1) *
                       std::sin(0.02 * M_PI * static_cast<double>(t) + static_cast<double>(j));
  return activity;
}
at::Tensor random_walks() { return random_tensor({kFrames, kNeurons}, 5).cumsum(0); }

TEST(LookAtData, CountsNeuronsAndTheFramesTheyNeed) {
  const DataOutlook outlook = outlook_of(waves(), false);
  EXPECT_EQ(outlook.neurons, kNeurons);
  EXPECT_EQ(outlook.frames_needed, fewest_frames(kNeurons, 40, 96));
  EXPECT_FALSE(outlook.white_noise.has_value());
}

TEST(LookAtData, RefusesADerivativeThatIsZeroThroughout) {
  EXPECT_THROW(outlook_of(waves(), false, {0}, 0), UserError);
}

TEST(LookAtData, FindsNoNoiseInSmoothActivity) {
  // Differences of a sine change by (2 sin(w / 2))^2 of themselves.
  const double change = 4 * std::pow(std::sin(0.01 * M_PI), 2);
  EXPECT_NEAR(outlook_of(waves(), true).white_noise.value(), change / 2, 0.05 * change);
}

TEST(LookAtData, FindsNothingButNoiseInRandomWalks) {
  EXPECT_GT(outlook_of(random_walks(), true).white_noise.value(), 0.95);
  // Noise of the observation is even worse than that of the process; the share stays a share.
  EXPECT_EQ(outlook_of(random_tensor({kFrames, kNeurons}, 6), true).white_noise.value(), 1);
}

TEST(LookAtData, TakesTheShareOverTheNeuronsOfAllRanks) {
  // The waves differ by rank as well, so that no rank's own share is that of all.
  const at::Tensor mixed = waves() + 0.4 * random_walks();
  const at::Tensor steps = mixed.narrow(0, 1, kFrames - 1) - mixed.narrow(0, 0, kFrames - 1);
  const at::Tensor changes = steps.narrow(0, 1, kFrames - 2) - steps.narrow(0, 0, kFrames - 2);
  const double share = (changes.square().mean() / (2 * steps.square().mean())).item<double>();
  ASSERT_GT(share, 0.1);
  ASSERT_LT(share, 0.9);
  EXPECT_NEAR(outlook_of(mixed, true).white_noise.value(), share, 0.01);
}

TEST(LookAtData, LeavesOutTheStepsBetweenTrajectories) {
  at::Tensor activity = waves();
  activity.narrow(0, 150, kFrames - 150).add_(1e4);
  EXPECT_LT(outlook_of(activity, true, {0, 150}).white_noise.value(), 0.01);
  EXPECT_GT(outlook_of(activity, true).white_noise.value(), 0.9);
}

}  // namespace
}  // namespace weft
