#include "weft/eval/function_metrics.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "assembly.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

TEST(LinearGrid, EndsExactlyWhereItShould) {
  const auto grid = linear_grid(-0.3, 0.7, 11);
  EXPECT_EQ(grid.front(), -0.3);
  EXPECT_EQ(grid.back(), 0.7);
  EXPECT_NEAR(grid[3], 0, 1e-16);
}

TEST(ComparePsi, GivesTheLargestAndTheRootMeanSquareError) {
  const std::vector<double> x{-1, 0, 2};
  const std::vector<double> learned{std::tanh(-1.0) - 0.3, 0.1, std::tanh(2.0) + 0.2};
  const PsiErrors errors = compare_psi(x, learned);
  EXPECT_NEAR(errors.max_error, 0.3, 1e-15);
  EXPECT_NEAR(errors.rms_error, std::sqrt((0.09 + 0.01 + 0.04) / 3), 1e-15);
}

TEST(ComparePsi, GivesTheErrorsOfTheWorstGroup) {
  const std::vector<double> x{-1, 0};
  const std::vector<double> learned{std::tanh(-1.0) + 0.1, 0.1, std::tanh(-1.0), 0.12};
  const PsiErrors errors = compare_psi(x, learned);
  EXPECT_NEAR(errors.max_error, 0.12, 1e-15);
  EXPECT_NEAR(errors.rms_error, 0.1, 1e-15);
}

TEST(ComparePhi, AgreesWithThePlainFormulaOverMoreThanOneBlockOfNeurons) {
  Communicator& world = test_world();
  const Assembly assembly = small_assembly(600);
  const WholeModel model = imperfect_model(assembly);
  const FakeModel own(model, world);
  Gauge gauge;
  gauge.psi_offset = 0.5;
  for (std::int64_t i = own.partition().begin(own.shard()); i < own.partition().end(own.shard()); ++i) {
    gauge.row_sums.push_back(0.001 * static_cast<double>(i));
  }
  const auto x = linear_grid(-6, 6, 41);
  const PhiErrors errors = compare_phi(world, own, gauge, assembly.types, x);

  double error = 0, squares = 0;
  for (std::int64_t i = 0; i < 600; ++i) {
    const double* parameters = &assembly.types.parameters[3 * (i % 3)];
    for (const double point : x) {
      const double expected = parameters[1] * std::tanh(point) - parameters[2] * point;
      error += std::pow(model.phi(i, point) - 0.5 * 0.001 * static_cast<double>(i) - expected, 2);
      squares += expected * expected;
    }
  }
  EXPECT_NEAR(errors.rms_error, std::sqrt(error / (600 * 41)), 1e-13);
  EXPECT_NEAR(*errors.relative_rms_error, std::sqrt(error / squares), 1e-13);
}

}  // namespace
}  // namespace weft
