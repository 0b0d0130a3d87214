#include "weft/eval/error_bars.hpp"

#include <cmath>
#include <limits>
#include <optional>

#include <gtest/gtest.h>

#include "assembly.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 60;
constexpr double kXnorm = 6;

/// Errors that differ from row to row and from column to column; columns 3 and 4 are not heard.
WeightErrors some_errors() {
  WeightErrors errors;
  for (std::int64_t i = 0; i < kNeurons; ++i) {
    errors.row.push_back(0.1 + 0.01 * static_cast<double>(i));
    errors.residual.push_back(0);
    errors.column.push_back(1 + 0.1 * static_cast<double>(i % 7));
    errors.state.push_back(PresynapticState::heard);
  }
  errors.column[3] = std::numeric_limits<double>::infinity();
  errors.state[3] = PresynapticState::silent;
  errors.column[4] = 1e5;
  errors.state[4] = PresynapticState::saturated;
  return errors;
}

/// The true model, W off by normal errors of the size that `errors` says; psi is `scale` times too large.
WholeModel erring_model(const Assembly& assembly, const WeightErrors& errors, double scale) {
  WholeModel model = true_model(assembly);
  const Philox random(3, RandomStream::initial_connectivity);
  for (std::int64_t i = 0; i < kNeurons; ++i) {
    for (std::int64_t j = 0; j < kNeurons; ++j) {
      if (i == j || errors.state[j] != PresynapticState::heard) continue;
      float& weight = model.connectivity[i * kNeurons + j];
      weight = static_cast<float>(weight / scale +
                                  errors.row[i] * errors.column[j] * random.normal(0, i * kNeurons + j));
    }
  }
  model.psi = [scale](double x) { return scale * std::tanh(x); };
  model.errors = errors;
  return model;
}

ErrorBars measure(const Assembly& assembly, const WholeModel& model, bool with_truth) {
  Communicator& world = test_world();
  TemporaryFolder folder(world);
  std::optional<Truth> truth;
  const auto file = write_assembly(world, folder.path(), assembly, true);
  if (with_truth) truth.emplace(file);
  const FakeModel own(model, world);
  return measure_error_bars(world, own, *own.weight_errors(), fix_gauge(world, own, kXnorm),
                            truth ? &*truth : nullptr);
}

TEST(ErrorBars, AreMeansOverTheWeightsThatAreIdentifiable) {
  const Assembly assembly = small_assembly(kNeurons);
  const WeightErrors errors = some_errors();
  const WholeModel model = erring_model(assembly, errors, 2);
  double without_gains = 0, with_gains = 0;
  for (std::int64_t i = 0; i < kNeurons; ++i) {
    for (std::int64_t j = 0; j < kNeurons; ++j) {
      if (i == j || j == 3 || j == 4) continue;
      const double error = 2 * std::tanh(0.9 * kXnorm) * errors.row[i] * errors.column[j];
      without_gains += error;
      with_gains += error / assembly.types.parameters[3 * (i % 3)];
    }
  }
  const double weights = kNeurons * (kNeurons - 3) + 2;
  const FakeModel own(model, test_world());
  const double offset = fix_gauge(test_world(), own, kXnorm).psi_offset / 2;
  EXPECT_NEAR(*measure(assembly, model, false).mean / (without_gains / weights), 1 + offset, 1e-4);
  EXPECT_NEAR(*measure(assembly, model, true).mean / (with_gains / weights), 1 + offset, 1e-4);
}

TEST(ErrorBars, CoverNineteenOfTwentyTrueWeightsWhereTheyAreRight) {
  const Assembly assembly = small_assembly(kNeurons);
  const WeightErrors errors = some_errors();
  WholeModel model = erring_model(assembly, errors, -2);
  // Of 3422 weights; three standard deviations of that share are 0.011.
  EXPECT_NEAR(*measure(assembly, model, true).coverage_95, 0.95, 0.011);
  for (double& sigma : model.errors->row) sigma /= 2;
  EXPECT_NEAR(*measure(assembly, model, true).coverage_95, std::erf(0.98 / std::sqrt(2)), 0.024);
  EXPECT_FALSE(measure(assembly, model, false).coverage_95);
}

TEST(ErrorBars, LeaveOutNeuronsWhoseGainIsZero) {
  Assembly assembly = small_assembly(kNeurons);
  const WeightErrors errors = some_errors();
  WholeModel model = erring_model(assembly, errors, 1);
  assembly.types.parameters[3] = 0;
  for (std::int64_t i = 1; i < kNeurons; i += 3) model.errors->row[i] = 1e9;
  EXPECT_LT(*measure(assembly, model, true).mean, 1);
}

TEST(ErrorBars, AreAbsentWhereNothingIsIdentifiable) {
  const Assembly assembly = small_assembly(kNeurons);
  WholeModel model = true_model(assembly);
  model.errors = some_errors();
  model.errors->state.assign(kNeurons, PresynapticState::silent);
  const ErrorBars bars = measure(assembly, model, true);
  EXPECT_FALSE(bars.mean || bars.coverage_95);
}

}  // namespace
}  // namespace weft
