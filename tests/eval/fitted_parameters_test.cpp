#include "weft/eval/fitted_parameters.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "weft/core/activity_scale.hpp"

#include "assembly.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

using nlohmann::json;

/// Activity of mean 1 and standard deviation 4.
ActivityStatistics activity() {
  ActivityStatistics statistics;
  statistics.mean = 1;
  statistics.standard_deviation = 4;
  statistics.xnorm = activity_scale_of(4);
  return statistics;
}

FittedParameters fit(const WholeModel& model) {
  const FakeModel own(model, test_world());
  return fit_parameters(test_world(), own, fix_gauge(test_world(), own, activity().xnorm), activity());
}

TEST(FitParameters, FindsTauAndSOfEachNeuron) {
  const Assembly assembly = small_assembly(300);
  const FittedParameters fitted = fit(true_model(assembly));
  ASSERT_EQ(fitted.rate.size(), 300);
  for (std::int64_t i = 0; i < 300; ++i) {
    // psi is divided by its plateau, which is short of 1 by 4e-5.
    const double* parameters = &assembly.types.parameters[3 * (i % 3)];
    EXPECT_NEAR(fitted.rate[i], parameters[2], 1e-9) << i;
    EXPECT_NEAR(fitted.self_coupling[i], parameters[1], 1e-4) << i;
    EXPECT_LT(fitted.misfit[i], 1e-9) << i;
  }
}

TEST(FitParameters, AgreesWithThePlainNormalEquations) {
  const Assembly assembly = small_assembly(9);
  WholeModel model = true_model(assembly);
  model.phi = [](std::int64_t neuron, double x) {
    return -x + 0.3 * std::sin(x + static_cast<double>(neuron)) - 0.3 * std::sin(static_cast<double>(neuron));
  };
  const FittedParameters fitted = fit(model);
  const FakeModel whole(model, 1, 0);
  const auto alone = make_self_communicator();
  const Gauge gauge = fix_gauge(*alone, whole, 6);

  const double rate = fitted.rate[5], coupling = fitted.self_coupling[5];
  double against_x = 0, against_psi = 0, left = 0, squares = 0;
  for (int p = 0; p <= 300; ++p) {
    const double x = -6 + 0.04 * p, psi = gauge.psi(std::tanh(x));
    const double phi = gauge.phi(model.phi(5, x), LocalRow{5});
    const double weight = std::exp(-(x - 1) * (x - 1) / 32), rest = phi + rate * x - coupling * psi;
    against_x += weight * rest * x;
    against_psi += weight * rest * psi;
    left += weight * rest * rest;
    squares += weight * phi * phi;
  }
  EXPECT_NEAR(against_x, 0, 1e-9);
  EXPECT_NEAR(against_psi, 0, 1e-9);
  EXPECT_NEAR(fitted.misfit[5], std::sqrt(left / squares), 1e-12);
  EXPECT_GT(fitted.misfit[5], 0.01);
}

TEST(FitParameters, IsEmptyWhereTauAndSCannotBeToldApart) {
  WholeModel model = true_model(small_assembly(9));
  model.psi = [](double x) { return 0.3 * x; };
  EXPECT_TRUE(fit(model).empty());
  model.psi = [](double x) { return std::abs(x) < 4 ? std::sin(x) : 0; };
  EXPECT_TRUE(fit(model).empty()) << "psi has no plateau, and s no unit";
}

const std::vector<std::int64_t> kCluster{0, 1, 0, 1, 1, 2};
const FittedParameters kFitted{{0.9, 2, 1.1, 2, 2, -1}, {1, 3, 2, 4, 5, 0}, {0, 0.1, 0, 0.2, 0.3, 0}};

TEST(DescribeTypes, GivesMeansOverTheNeuronsOfAClusterWithTheirErrors) {
  const json types = describe_types(kFitted, kCluster, nullptr);
  ASSERT_EQ(types.size(), 3);
  EXPECT_EQ(types[0]["cluster"], 0);
  EXPECT_EQ(types[0]["neurons"], 2);
  EXPECT_NEAR(types[0]["tau"], 1, 1e-15);
  EXPECT_NEAR(types[0]["tau_spread"], std::sqrt(0.02), 1e-15);
  EXPECT_NEAR(types[0]["tau_error"], 0.1, 1e-15);
  EXPECT_NEAR(types[1]["tau"], 0.5, 1e-15);
  EXPECT_NEAR(types[1]["s"], 4, 1e-15);
  EXPECT_NEAR(types[1]["s_spread"], 1, 1e-15);
  EXPECT_NEAR(types[1]["s_error"], 1 / std::sqrt(3), 1e-15);
  EXPECT_NEAR(types[1]["misfit"], 0.2, 1e-15);
}

TEST(DescribeTypes, LeavesOutWhatCannotBeHad) {
  const json types = describe_types(kFitted, kCluster, nullptr);
  EXPECT_EQ(types[2], (json{{"cluster", 2}, {"neurons", 1}, {"s", 0.0}, {"misfit", 0.0}}))
      << "a rate below 0 has no time constant, a single neuron no spread";
  EXPECT_EQ(describe_types({}, kCluster, nullptr)[1], (json{{"cluster", 1}, {"neurons", 3}}));
}

TEST(DescribeTypes, PutsTheTrueTypesBeside) {
  const NeuronTypeTruth truth{{1, 0, 1, 0, 1, 0}, {8, 1, 0, 8, 2, 4}};
  const json types = describe_types(kFitted, kCluster, &truth);
  EXPECT_EQ(types[0]["true_type"], 1);
  EXPECT_EQ(types[0]["true_tau"], 0.25);
  EXPECT_EQ(types[0]["true_s"], 2);
  EXPECT_EQ(types[1]["true_type"], 0);
  EXPECT_EQ(types[1]["true_s"], 1);
  EXPECT_FALSE(types[1].contains("true_tau")) << "c is 0";
  EXPECT_FALSE(types[2].contains("true_type")) << "two types, three clusters";
}

}  // namespace
}  // namespace weft
