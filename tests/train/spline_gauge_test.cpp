#include "weft/train/spline_gauge.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include "weft/comm/sums.hpp"

#include "model/made_up_splines.hpp"
#include "model/random_tensor.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 14, kGroups = 2;
constexpr double kXnorm = 20;  // half of the axis

/// This rank's rows of a network with a psi for each of two groups, every number its own.
SplineNetwork two_groups() {
  const RowPartition partition(kNeurons, test_world().size());
  SplineNetwork network = made_up_splines(partition, test_world().rank());
  const std::vector<double> other =
      spline_of(network.axis, 48, [](double x) { return 0.7 * std::tanh(x / 3) + 0.4; });
  network.psi.insert(network.psi.end(), other.begin(), other.end());
  for (std::size_t j = 0; j < network.group.size(); ++j) network.group[j] = j % 3 == 1 ? 1 : 0;
  const at::Tensor random = random_tensor({kNeurons, 3}, 5);
  for (std::int64_t i = 0; i < network.rows(); ++i) {
    const at::Tensor own = random[partition.begin(network.shard) + i];
    network.constant[static_cast<std::size_t>(i)] = own[0].item<double>();
    network.self_weight[static_cast<std::size_t>(i)] = own[1].item<double>();
    network.shape_weight[static_cast<std::size_t>(i)] = own[2].item<double>();
  }
  return network;
}

/// What changes nothing that can be seen: psi_g -> k_g psi_g + b_g.
struct Gauge {
  std::vector<double> k, b;
};

/// Number by number.
void change_gauge(SplineNetwork& network, const Gauge& gauge) {
  const std::int64_t begin = network.partition.begin(network.shard);
  const auto group = [&](std::int64_t neuron) {
    return static_cast<std::size_t>(network.group[static_cast<std::size_t>(neuron)]);
  };
  for (std::int64_t i = 0; i < network.rows(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (std::int64_t j = 0; j < network.partition.rows(); ++j) {
      const double weight = network.connectivity[i][j].item<double>() / gauge.k[group(j)];
      network.connectivity[i][j] = weight;
      network.constant[row] -= gauge.b[group(j)] * network.connectivity[i][j].item<double>();
    }
    network.self_weight[row] /= gauge.k[group(begin + i)];
    network.constant[row] -= gauge.b[group(begin + i)] * network.self_weight[row];
  }
  for (std::size_t c = 0; c < network.psi.size(); ++c) {
    const std::size_t g = c / static_cast<std::size_t>(network.psi_splines);
    network.psi[c] = gauge.k[g] * network.psi[c] + gauge.b[g];
  }
  for (std::int64_t j = 0; j < network.partition.rows(); ++j)
    network.errors.column[static_cast<std::size_t>(j)] /= std::abs(gauge.k[group(j)]);
}

SplineNetwork fixed(SplineNetwork network) {
  network.connectivity = network.connectivity.clone();
  fix_gauge(test_world(), network, kXnorm);
  return network;
}

std::vector<double> points(const SplineNetwork& network) {
  std::vector<double> x;
  for (int k = 0; k <= 50; ++k) x.push_back(network.axis.activity(k / 50.0));
  return x;
}

void expect_same(const SplineNetwork& actual, const SplineNetwork& expected, double tolerance) {
  EXPECT_LT((actual.connectivity - expected.connectivity).abs().max().item<double>(), tolerance);
  for (const double x : points(expected)) {
    for (std::int64_t g = 0; g < expected.groups(); ++g)
      EXPECT_NEAR(actual.psi_at(g, x), expected.psi_at(g, x), tolerance) << g << " at " << x;
    for (std::int64_t i = 0; i < expected.rows(); ++i) {
      const double phi = expected.phi_at(LocalRow{i}, x);
      EXPECT_NEAR(actual.phi_at(LocalRow{i}, x), phi, tolerance * (1 + std::abs(phi))) << i << " at " << x;
    }
  }
  for (std::size_t j = 0; j < expected.errors.column.size(); ++j) {
    const double error = expected.errors.column[j];
    if (std::isinf(error)) {
      EXPECT_EQ(actual.errors.column[j], error) << j;
    } else {
      EXPECT_NEAR(actual.errors.column[j], error, tolerance * error) << j;
    }
  }
}

/// y of own rows, for some activity of all neurons.
std::vector<double> predicted(const SplineNetwork& network, std::uint64_t seed) {
  const at::Tensor x = 5 * random_tensor({kNeurons}, seed);
  std::vector<double> y;
  for (std::int64_t i = 0; i < network.rows(); ++i) {
    y.push_back(network.phi_at(LocalRow{i}, x[network.partition.begin(network.shard) + i].item<double>()));
    for (std::int64_t j = 0; j < kNeurons; ++j)
      y.back() += network.connectivity[i][j].item<double>() *
                  network.psi_at(network.group[static_cast<std::size_t>(j)], x[j].item<double>());
  }
  return y;
}

/// The median over [0.8 xnorm, xnorm].
double plateau(const SplineNetwork& network, std::int64_t group) {
  std::vector<double> values;
  for (int k = 0; k <= 200; ++k) values.push_back(network.psi_at(group, kXnorm * (0.8 + k / 1000.0)));
  std::ranges::sort(values);
  return values[100];
}

/// One psi and no phi at 0, so that psi keeps its offset.
SplineNetwork without_offset(double at_plateau) {
  SplineNetwork network = made_up_splines(RowPartition(kNeurons, test_world().size()), test_world().rank());
  network.psi = spline_of(network.axis, 48, [&](double x) { return std::tanh(x) - 1 + at_plateau; });
  for (std::int64_t i = 0; i < network.rows(); ++i)
    network.constant[static_cast<std::size_t>(i)] = -network.phi_at(LocalRow{i}, 0);
  return network;
}

TEST(FixGauge, AnyGaugeInGivesTheSameOut) {
  const SplineNetwork expected = fixed(two_groups());
  const std::vector<Gauge> gauges{{{2, 2}, {0, 0}},
                                  {{1, 1}, {3, -1}},
                                  {{0.1, 7}, {0.5, -2}},
                                  {{3, -0.4}, {1, 1}},
                                  {{-1, -5}, {-0.7, 0.2}}};
  for (std::size_t k = 0; k < gauges.size(); ++k) {
    SCOPED_TRACE(testing::Message() << "gauge " << k);
    SplineNetwork network = two_groups();
    change_gauge(network, gauges[k]);
    expect_same(fixed(network), expected, 2e-5);
  }
}

TEST(FixGauge, TurnsTheSignOfPsiAndOfItsWeightsTogether) {
  const SplineNetwork upright = without_offset(1);
  SplineNetwork turned = upright;
  turned.connectivity = turned.connectivity.clone();
  change_gauge(turned, {{-1}, {0}});
  EXPECT_TRUE(turned.connectivity.equal(-upright.connectivity));
  const SplineNetwork result = fixed(turned);
  EXPECT_LT((result.connectivity - upright.connectivity).abs().max().item<double>(), 1e-6);
  EXPECT_GT(result.psi_at(0, kXnorm), 0.9);
}

TEST(FixGauge, ChangesNothingThatCanBeSeen) {
  SplineNetwork network = two_groups();
  change_gauge(network, {{0.3, -4}, {2, -3}});
  const SplineNetwork result = fixed(network);
  for (std::uint64_t seed = 20; seed < 25; ++seed) {
    const std::vector<double> before = predicted(network, seed), after = predicted(result, seed);
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 2e-5) << i;
  }
}

TEST(FixGauge, AWeightAndItsErrorKeepTheirRatio) {
  SplineNetwork network = two_groups();
  change_gauge(network, {{0.3, -4}, {2, -3}});
  const SplineNetwork result = fixed(network);
  for (std::int64_t i = 0; i < result.rows(); ++i) {
    for (std::int64_t j = 0; j < kNeurons; ++j) {
      const auto column = static_cast<std::size_t>(j);
      const double before = network.connectivity[i][j].item<double>() / network.errors.column[column];
      const double after = result.connectivity[i][j].item<double>() / result.errors.column[column];
      EXPECT_NEAR(std::abs(after), std::abs(before), 1e-6 * std::abs(before)) << i << ", " << j;
    }
  }
}

TEST(FixGauge, LeavesThePhiAtZeroAsSmallAsOffsetsCan) {
  const SplineNetwork result = fixed(two_groups());
  at::Tensor normal = at::zeros({kGroups}, at::kDouble);
  for (std::int64_t i = 0; i < result.rows(); ++i) {
    for (std::int64_t j = 0; j < kNeurons; ++j) {
      normal[result.group[static_cast<std::size_t>(j)]] +=
          result.phi_at(LocalRow{i}, 0) * result.connectivity[i][j].item<double>();
    }
  }
  for (std::int64_t g = 0; g < kGroups; ++g) {
    double sum = 0;
    for (const double own : gather_numbers(test_world(), normal[g].item<double>())) sum += own;
    EXPECT_NEAR(sum, 0, 1e-4) << g;
    EXPECT_NEAR(plateau(result, g), 1, 1e-5) << g;
  }
}

TEST(FixGauge, KnowsTheScaleWhereEveryPhiCanVanishAtZero) {
  SplineNetwork network = without_offset(1);
  EXPECT_LT(fix_gauge(test_world(), network, kXnorm), 1e-5);
}

TEST(FixGauge, SaysHowUncertainTheScaleIsWhereTheyCannot) {
  SplineNetwork network = two_groups();
  const double uncertain = fix_gauge(test_world(), network, kXnorm);
  // psi has its plateau at 1 now: what is left of the phi at 0, and the sums of the rows, tell the rest.
  const std::int64_t rows = network.rows();
  at::Tensor own = at::zeros({rows, kGroups + 1}, at::kDouble);
  for (std::int64_t i = 0; i < rows; ++i) {
    own[i][kGroups] = network.phi_at(LocalRow{i}, 0);
    for (std::int64_t j = 0; j < kNeurons; ++j)
      own[i][network.group[static_cast<std::size_t>(j)]] += network.connectivity[i][j].to(at::kDouble);
  }
  std::vector<std::int64_t> counts;
  for (const std::int64_t size : network.partition.sizes()) counts.push_back(size * (kGroups + 1));
  std::vector<double> numbers(own.const_data_ptr<double>(), own.const_data_ptr<double>() + own.numel());
  const std::vector<double> gathered = gather_blocks(test_world(), std::move(numbers), counts);
  const at::Tensor all =
      at::from_blob(const_cast<double*>(gathered.data()), {kNeurons, kGroups + 1}, at::kDouble);
  const at::Tensor sums = all.narrow(1, 0, kGroups);
  const double variance =
      all.select(1, kGroups).square().sum().item<double>() / static_cast<double>(kNeurons - kGroups);
  const at::Tensor error = (sums.t().matmul(sums).inverse().diagonal() * variance).sqrt();
  double expected = 0;
  for (std::int64_t g = 0; g < kGroups; ++g)
    expected = std::max({expected, error[g].item<double>(), std::abs(network.psi_at(g, 0))});
  EXPECT_GT(expected, 0.01);
  EXPECT_NEAR(uncertain, expected, 1e-4 * expected);
}

TEST(FixGauge, APsiWithoutAPlateauKeepsItsScale) {
  // The span is 2: a plateau counts from 0.1 on.
  for (const double at_plateau : {-0.08, 0.0, 0.08}) {
    const SplineNetwork network = without_offset(at_plateau);
    expect_same(fixed(network), network, 1e-6);
  }
  for (const double at_plateau : {-0.12, 0.12}) {
    const SplineNetwork network = without_offset(at_plateau);
    const SplineNetwork result = fixed(network);
    EXPECT_NEAR(plateau(result, 0), 1, 1e-6);
    EXPECT_LT((result.connectivity - network.connectivity * at_plateau).abs().max().item<double>(), 1e-5);
  }
}

}  // namespace
}  // namespace weft
