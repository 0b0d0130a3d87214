#include "weft/comm/sums.hpp"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "support/mpi_main.hpp"

namespace weft {
namespace {

TEST(SumOver, AddsElementByElementInPlace) {
  Communicator& world = test_world();
  std::array<std::int64_t, 2> values{world.rank(), 10};
  sum_over<std::int64_t>(world, values);
  EXPECT_EQ(values[0], world.size() * (world.size() - 1) / 2);
  EXPECT_EQ(values[1], 10 * world.size());
}

TEST(SumOver, AddsANumber) { EXPECT_EQ(sum_over(test_world(), 0.5), 0.5 * test_world().size()); }

TEST(GatherBlocks, PutsUnevenBlocksInRankOrder) {
  Communicator& world = test_world();
  std::vector<std::int64_t> counts;
  std::vector<double> expected;
  for (int rank = 0; rank < world.size(); ++rank) {
    counts.push_back(rank == 1 ? 0 : rank + 2);  // the second rank has none
    expected.insert(expected.end(), static_cast<std::size_t>(counts.back()), rank);
  }
  const std::vector<double> own(static_cast<std::size_t>(counts[static_cast<std::size_t>(world.rank())]),
                                world.rank());
  EXPECT_EQ(gather_blocks(world, own, counts), expected);
}

}  // namespace
}  // namespace weft
