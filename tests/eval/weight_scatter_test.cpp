#include "weft/eval/weight_scatter.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "assembly.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kBins = 10;

WeightScatter scatter(const Assembly& assembly, const WholeModel& model) {
  Communicator& world = test_world();
  TemporaryFolder folder(world);
  const Truth truth(write_assembly(world, folder.path(), assembly, true));
  const FakeModel own(model, world);
  return scatter_weights(world, own, fix_gauge(world, own, 6), truth, kBins);
}

TEST(ScatterWeights, CountsEveryPairOffTheDiagonalInItsBin) {
  const Assembly assembly = small_assembly(60);
  const WholeModel model = imperfect_model(assembly);
  const WeightScatter result = scatter(assembly, model);

  const double c = model.psi(6 * (0.8 + 0.2 * 499 / 999));
  std::vector<std::int64_t> expected(kBins * kBins);
  std::int64_t outside = 0;
  for (std::int64_t i = 0; i < 60; ++i) {
    const double gain = assembly.types.parameters[3 * (i % 3)];
    for (std::int64_t j = 0; j < 60; ++j) {
      if (i == j) continue;
      const auto bin_of = [&](double weight) {
        return std::ranges::upper_bound(result.edges, weight) - result.edges.begin() - 1;
      };
      const auto row = bin_of(model.connectivity[60 * i + j] * c / gain);
      const auto column = bin_of(assembly.connectivity[60 * i + j]);
      const bool shown = std::min(row, column) >= 0 && std::max(row, column) < kBins;
      if (shown) ++expected[row * kBins + column];
      outside += !shown;
    }
  }
  EXPECT_EQ(result.counts, expected);
  EXPECT_EQ(result.outside, outside);
  EXPECT_EQ(std::accumulate(result.counts.begin(), result.counts.end(), std::int64_t{0}) + outside, 60 * 59);
}

TEST(ScatterWeights, TakesInTheLargestTrueWeight) {
  Assembly assembly = small_assembly(30);
  assembly.connectivity[5] = -40;
  const WeightScatter result = scatter(assembly, imperfect_model(small_assembly(30)));
  EXPECT_EQ(result.edges.front(), -40);
  EXPECT_EQ(result.edges.back(), 40);
  EXPECT_EQ(result.outside, 0);
}

TEST(ScatterWeights, DoesNotLetOneWildWeightSetTheRange) {
  const Assembly assembly = small_assembly(120);
  WholeModel model = imperfect_model(assembly);
  const double before = scatter(assembly, model).edges.back();
  model.connectivity[7] = 5000;
  const WeightScatter result = scatter(assembly, model);
  EXPECT_LT(result.edges.back(), 2 * before);
  EXPECT_EQ(result.outside, 1);
}

}  // namespace
}  // namespace weft
