#include "weft/eval/connectivity_metrics.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "assembly.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr double kXnorm = 6;

ConnectivityMetrics compare(const Assembly& assembly, const WholeModel& model) {
  Communicator& world = test_world();
  TemporaryFolder folder(world);
  const Truth truth(write_assembly(world, folder.path(), assembly, true));
  const FakeModel own(model, world);
  return compare_connectivity(world, own, fix_gauge(world, own, kXnorm), truth);
}

/// Learned and true weight of each pair, the learned one multiplied with c / g.
struct Pairs {
  std::vector<double> learned, truth;

  Pairs(const Assembly& assembly, const WholeModel& model, double c, bool with_diagonal) {
    const std::int64_t n = assembly.neurons();
    for (std::int64_t i = 0; i < n; ++i) {
      const double gain = assembly.types.parameters[3 * assembly.types.neuron_type[i]];
      for (std::int64_t j = 0; j < n; ++j) {
        if (i == j && !with_diagonal) continue;
        learned.push_back(i == j ? 0 : model.connectivity[i * n + j] * c / gain);
        truth.push_back(assembly.connectivity[i * n + j]);
      }
    }
  }
  std::size_t size() const { return truth.size(); }
};

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// sum (a - mean a)(b - mean b)
double deviations(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = mean(a), mean_b = mean(b);
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  return sum;
}

TEST(CompareConnectivity, AgreesWithThePlainFormulasOverMoreThanOneBlockOfRows) {
  const Assembly assembly = small_assembly(300);
  const WholeModel model = imperfect_model(assembly);
  const ConnectivityMetrics metrics = compare(assembly, model);

  // psi is monotone, so its median is the value at the middle of the window; psi and phi are 0 at 0, so b is
  // 0.
  const double c = model.psi(kXnorm * (0.8 + 0.2 * 499 / 999));
  const Pairs all(assembly, model, c, true), off(assembly, model, c, false);
  const double covariance = deviations(all.learned, all.truth), variance = deviations(all.truth, all.truth);
  double error = 0, squares = 0;
  for (std::size_t i = 0; i < off.size(); ++i) {
    error += std::pow(off.learned[i] - off.truth[i], 2);
    squares += off.truth[i] * off.truth[i];
  }
  EXPECT_NEAR(*metrics.r2, covariance * covariance / (variance * deviations(all.learned, all.learned)),
              1e-12);
  EXPECT_NEAR(*metrics.slope, covariance / variance, 1e-12);
  EXPECT_NEAR(*metrics.r2_strict, 1 - error / deviations(off.truth, off.truth), 1e-12);
  EXPECT_NEAR(*metrics.relative_error, std::sqrt(error / squares), 1e-12);
}

TEST(CompareConnectivity, LeavesTheLearnedDiagonalOut) {
  const Assembly assembly = small_assembly(12);
  WholeModel model = imperfect_model(assembly);
  // Where phi(0) is not 0 the row sums matter, too: they fix the offset of psi.
  model.phi = [phi = model.phi](std::int64_t neuron, double x) { return phi(neuron, x) + 0.1; };
  const ConnectivityMetrics before = compare(assembly, model);
  for (int i = 0; i < 12; ++i) model.connectivity[13 * i] = 5;
  const ConnectivityMetrics after = compare(assembly, model);
  EXPECT_DOUBLE_EQ(*after.r2, *before.r2);
  EXPECT_DOUBLE_EQ(*after.r2_strict, *before.r2_strict);
}

TEST(CompareConnectivity, LeavesOutNeuronsWhoseGainIsZero) {
  Assembly assembly = small_assembly(12);
  assembly.types.parameters[3] = 0;
  WholeModel model = true_model(assembly);
  for (int i = 1; i < 12; i += 3) {
    for (int j = 0; j < 12; ++j) model.connectivity[12 * i + j] = static_cast<float>(i * j);
  }
  const ConnectivityMetrics metrics = compare(assembly, model);
  EXPECT_NEAR(*metrics.r2, 1, 1e-12);
  EXPECT_LT(*metrics.relative_error, 1e-4);
}

TEST(CompareConnectivity, HasNoNumbersWhereTheyAreUndefined) {
  Assembly assembly = small_assembly(12);
  WholeModel model = imperfect_model(assembly);
  model.psi = [](double x) { return std::abs(x) < 4 ? std::sin(x) : 0; };
  const ConnectivityMetrics without_scale = compare(assembly, model);
  EXPECT_TRUE(without_scale.r2);
  EXPECT_FALSE(without_scale.slope || without_scale.r2_strict || without_scale.relative_error);

  std::ranges::fill(assembly.connectivity, 0.0f);
  const ConnectivityMetrics without_truth = compare(assembly, imperfect_model(small_assembly(12)));
  EXPECT_FALSE(without_truth.r2 || without_truth.slope || without_truth.r2_strict ||
               without_truth.relative_error);
}

}  // namespace
}  // namespace weft
