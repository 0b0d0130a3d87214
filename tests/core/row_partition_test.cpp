#include "weft/core/row_partition.hpp"

#include <algorithm>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

void check_blocks(const RowPartition& partition) {
  const std::vector<std::int64_t> sizes = partition.sizes();
  ASSERT_EQ(std::ssize(sizes), partition.shards());
  EXPECT_EQ(partition.begin(0), 0);
  EXPECT_EQ(partition.end(partition.shards() - 1), partition.rows());
  EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}), partition.rows());
  EXPECT_TRUE(std::is_sorted(sizes.rbegin(), sizes.rend())) << "the larger blocks come first";
  EXPECT_LE(sizes.front() - sizes.back(), 1);
  EXPECT_GE(sizes.back(), 1);
}

void check_rows(const RowPartition& partition) {
  std::int64_t row = 0;
  for (int shard = 0; shard < partition.shards(); ++shard) {
    ASSERT_EQ(partition.begin(shard), row);
    for (std::int64_t local = 0; local < partition.size(shard); ++local, ++row) {
      ASSERT_EQ(partition.owner(GlobalRow{row}), shard);
      ASSERT_EQ(partition.local(GlobalRow{row}), LocalRow{local});
      ASSERT_EQ(partition.global(shard, LocalRow{local}), GlobalRow{row});
    }
  }
}

TEST(RowPartition, EveryRowHasOneOwnerForAllSmallSizes) {
  for (std::int64_t rows = 1; rows <= 40; ++rows) {
    for (int shards = 1; shards <= rows; ++shards) {
      SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(shards) + " shards");
      const RowPartition partition(rows, shards);
      check_blocks(partition);
      check_rows(partition);
    }
  }
}

TEST(RowPartition, TheExampleOfItsDescription) {
  const RowPartition partition(10, 4);
  EXPECT_THAT(partition.sizes(), testing::ElementsAre(3, 3, 2, 2));
  EXPECT_EQ(partition.begin(2), 6);
  EXPECT_EQ(partition.owner(GlobalRow{7}), 2);
  EXPECT_EQ(partition.local(GlobalRow{7}), LocalRow{1});
}

TEST(RowPartition, RowsBeyondThirtyTwoBitsAreCounted) {
  const std::int64_t rows = 3'000'000'000'000;
  const RowPartition partition(rows, 7);
  check_blocks(partition);
  EXPECT_EQ(partition.owner(GlobalRow{rows - 1}), 6);
  EXPECT_EQ(partition.owner(GlobalRow{partition.begin(3) - 1}), 2);
}

TEST(RowPartition, IsEqualOnlyForTheSameRowsAndShards) {
  EXPECT_EQ(RowPartition(10, 4), RowPartition(10, 4));
  EXPECT_NE(RowPartition(10, 4), RowPartition(10, 5));
  EXPECT_NE(RowPartition(10, 4), RowPartition(11, 4));
}

TEST(RowPartition, AShardWithoutRowsIsABug) {
  EXPECT_THROW(RowPartition(3, 4), InternalError);
  EXPECT_THROW(RowPartition(3, 0), InternalError);
  EXPECT_THROW(RowPartition(0, 1), InternalError);
}

TEST(RowPartition, ARowOutsideIsABug) {
  const RowPartition partition(10, 4);
  EXPECT_THROW(partition.owner(GlobalRow{-1}), InternalError);
  EXPECT_THROW(partition.owner(GlobalRow{10}), InternalError);
  EXPECT_THROW(partition.local(GlobalRow{10}), InternalError);
}

}  // namespace
}  // namespace weft
