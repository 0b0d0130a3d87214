#include "weft/eval/gauge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "weft/eval/function_metrics.hpp"

#include "assembly.hpp"
#include "support/mpi_main.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

ActivityStatistics measure(const std::vector<float>& activity, std::int64_t neurons) {
  Communicator& world = test_world();
  TemporaryFolder folder(world);
  Assembly assembly = small_assembly(neurons);
  assembly.activity = activity;
  assembly.frames = std::ssize(activity) / neurons;
  const Dataset dataset(write_assembly(world, folder.path(), assembly, false));
  return measure_activity(world, dataset, RowPartition(neurons, world.size()));
}

TEST(MeasureActivity, GivesThePlainStatistics) {
  auto activity = random_activity(30, 7, 5);
  for (float& value : activity) value += 3;
  double mean = 0, deviations = 0;
  for (const float value : activity) mean += value / 210.0;
  for (const float value : activity) deviations += (value - mean) * (value - mean);
  const ActivityStatistics statistics = measure(activity, 7);
  EXPECT_EQ(statistics.frames, 30);
  EXPECT_EQ(statistics.neurons, 7);
  EXPECT_NEAR(statistics.mean, mean, 1e-12);
  EXPECT_NEAR(statistics.standard_deviation, std::sqrt(deviations / 209), 1e-12);
  EXPECT_EQ(statistics.minimum, *std::ranges::min_element(activity));
  EXPECT_EQ(statistics.maximum, *std::ranges::max_element(activity));
  EXPECT_EQ(statistics.xnorm, std::nearbyint(1.5 * statistics.standard_deviation));
}

TEST(MeasureActivity, KeepsAWindowForActivityThatIsSmall) {
  const ActivityStatistics statistics = measure(random_activity(30, 7, 0.1), 7);
  EXPECT_DOUBLE_EQ(statistics.xnorm, 1.5 * statistics.standard_deviation);
}

TEST(MeasureActivity, RefusesActivityThatIsConstant) {
  expect_user_error([] { measure(std::vector<float>(70, 2.5f), 7); }, {"activity.h5", "2.5", "varies"});
}

TEST(MeasureActivity, FailsOnAllRanksForAValueOfOneThatIsNotFinite) {
  auto activity = random_activity(30, 7, 5);
  activity[12 * 7 + 6] = std::numeric_limits<float>::quiet_NaN();
  expect_user_error([&] { measure(activity, 7); }, {"activity.h5", "12", "6"});
}

Gauge gauge_of(const WholeModel& model, double xnorm) {
  return fix_gauge(test_world(), FakeModel(model, test_world()), xnorm);
}

TEST(FixGauge, TakesTheLowerMedianOverTheOuterFifth) {
  WholeModel model = true_model(small_assembly(9));
  model.psi = [](double x) { return x; };
  EXPECT_NEAR(gauge_of(model, 10).plateau, 8 + 2 * 499.0 / 999, 1e-12);
  EXPECT_NEAR(gauge_of(model, 10).plateau_variation, 2 / (8 + 2 * 499.0 / 999), 1e-12);
}

TEST(FixGauge, FindsAnOffsetThatWasPutIn) {
  WholeModel model = true_model(small_assembly(9));
  std::vector<double> row_sums(9);
  for (int i = 0; i < 81; ++i) row_sums[i / 9] += model.connectivity[i];
  model.psi = [](double x) { return std::tanh(x) - 0.25; };
  model.phi = [row_sums, exact = model.phi](std::int64_t neuron, double x) {
    return exact(neuron, x) + 0.25 * row_sums[neuron];
  };
  const Gauge gauge = gauge_of(model, 10);
  EXPECT_NEAR(gauge.psi_offset, 0.25, 1e-12);
  EXPECT_NEAR(gauge.psi_scale(), 1, 1e-6);
  EXPECT_NEAR(gauge.psi(model.psi(0.5)), std::tanh(0.5), 1e-6);
  const FakeModel own(model, test_world());
  const std::int64_t first = own.partition().begin(own.shard());
  EXPECT_NEAR(gauge.phi(model.phi(first, 1.0), LocalRow{0}),
              true_phi(small_assembly(9).types, first % 3, 1.0), 1e-12);
}

TEST(FixGauge, KnowsThatAPsiWithoutPlateauHasNoScale) {
  WholeModel model = true_model(small_assembly(9));
  model.psi = [](double x) { return std::abs(x) < 7 ? std::sin(x) : 0; };
  const Gauge gauge = gauge_of(model, 10);
  EXPECT_FALSE(gauge.scale_known);
  EXPECT_EQ(gauge.weight_scale(), 1);
  model.psi = [](double) { return 3.0; };
  EXPECT_FALSE(gauge_of(model, 10).scale_known);
}

TEST(FixGauge, RefusesNumbersThatAreNotFinite) {
  const WholeModel sound = true_model(small_assembly(9));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  WholeModel model = sound;
  model.psi = [nan](double x) { return x > 0 ? nan : 0; };
  expect_user_error([&] { gauge_of(model, 10); }, {"trained model", "psi", "not finite"});
  model = sound;
  model.phi = [nan](std::int64_t neuron, double) { return neuron == 8 ? nan : 0; };
  expect_user_error([&] { gauge_of(model, 10); }, {"trained model", "phi", "not finite"});
  model = sound;
  model.connectivity[80 - 1] = std::numeric_limits<float>::infinity();
  expect_user_error([&] { gauge_of(model, 10); }, {"trained model", "W", "not finite"});
}

}  // namespace
}  // namespace weft
