#include "weft/comm/process_grid.hpp"

#include <gtest/gtest.h>

#include "support/mpi_main.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

std::int64_t sum_of_ranks(Communicator& group) {
  std::int64_t sum = test_world().rank();
  group.all_reduce(std::span(&sum, 1), Reduction::sum).wait();
  return sum;
}

TEST(ProcessGrid, OneReplicaHasAllRanksAsShards) {
  const ProcessGrid grid(test_world(), 1);
  EXPECT_EQ(grid.shards(), test_world().size());
  EXPECT_EQ(grid.shard(), test_world().rank());
  EXPECT_EQ(grid.replicas().size(), 1);
  EXPECT_EQ(grid.replica(), 0);
  EXPECT_EQ(&grid.world(), &test_world());
}

TEST(ProcessGrid, AsManyReplicasAsRanksHaveOneShardEach) {
  const ProcessGrid grid(test_world(), test_world().size());
  EXPECT_EQ(grid.shards(), 1);
  EXPECT_EQ(grid.shard(), 0);
  EXPECT_EQ(grid.replicas().size(), test_world().size());
  EXPECT_EQ(grid.replica(), test_world().rank());
}

TEST(ProcessGrid, FourRanksInTwoReplicas) {
  if (test_world().size() != 4) GTEST_SKIP() << "needs four ranks";
  const ProcessGrid grid(test_world(), 2);
  const int rank = test_world().rank();
  EXPECT_EQ(grid.shards(), 2);
  EXPECT_EQ(grid.replicas().size(), 2);
  EXPECT_EQ(grid.shard(), rank % 2);
  EXPECT_EQ(grid.replica(), rank / 2);
  EXPECT_EQ(sum_of_ranks(grid.rows()), rank < 2 ? 0 + 1 : 2 + 3);
  EXPECT_EQ(sum_of_ranks(grid.replicas()), rank % 2 == 0 ? 0 + 2 : 1 + 3);
}

TEST(ProcessGrid, RanksThatCannotBeDividedAreAUserError) {
  const std::string ranks = std::to_string(test_world().size()) + " MPI ranks";
  const int too_many = test_world().size() + 1;
  expect_user_error([&] { ProcessGrid(test_world(), too_many); },
                    {"training.replicas", std::to_string(too_many) + " replicas on " + ranks, "divides"});
  expect_user_error([&] { ProcessGrid(test_world(), 0); }, {"training.replicas", "0 replicas on " + ranks});
  if (test_world().size() == 3) {
    expect_user_error([&] { ProcessGrid(test_world(), 2); }, {"2 replicas on 3 MPI ranks"});
  }
}

}  // namespace
}  // namespace weft
