#include "weft/train/gram_matrix.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "model/random_tensor.hpp"
#include "on_replicas.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kFrames = 61, kChunk = 17;
// Enough neurons for several tiles of a shard, and for several panels; no number of shards divides them.
constexpr std::int64_t kManyNeurons = 1501, kFewNeurons = 13;

double largest(const at::Tensor& values) { return values.abs().max().item<double>(); }

/// The frames of a replica, in chunks.
struct Chunk {
  std::int64_t first, count;
};
std::vector<Chunk> chunks_of(const ProcessGrid& grid) {
  const std::int64_t replicas = grid.replicas().size();
  const std::int64_t end = kFrames * (grid.replica() + 1) / replicas;
  std::vector<Chunk> chunks;
  for (std::int64_t first = kFrames * grid.replica() / replicas; first < end; first += kChunk)
    chunks.push_back({first, std::min(kChunk, end - first)});
  return chunks;
}

/// A shard's columns of some frames.
at::Tensor own_part(const at::Tensor& psi, const RowPartition& partition, int shard, Chunk chunk) {
  return psi.narrow(0, chunk.first, chunk.count)
      .narrow(1, partition.begin(shard), partition.size(shard))
      .contiguous();
}

TEST(GatherColumns, GivesTheColumnsOfAllShards) {
  const RowPartition partition(kFewNeurons, test_world().size());
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor psi = random_tensor({kFrames, kFewNeurons}, 1).to(type);
    const Chunk chunk{5, kChunk};
    const ColumnBlocks blocks =
        gather_columns(test_world(), partition, own_part(psi, partition, test_world().rank(), chunk));
    ASSERT_EQ(blocks.size(), static_cast<std::size_t>(partition.shards()));
    for (int shard = 0; shard < partition.shards(); ++shard) {
      EXPECT_TRUE(blocks[static_cast<std::size_t>(shard)].equal(own_part(psi, partition, shard, chunk)))
          << shard;
    }
  }
}

TEST(GatheredFrames, FillABufferOfOneSize) {
  const ProcessGrid grid(test_world(), 1);
  const std::int64_t frames = gathered_frames(grid, RowPartition(kManyNeurons, grid.shards()));
  if (grid.shards() == 1) {
    EXPECT_GT(frames, std::int64_t{1} << 40);  // nothing to gather
  } else {
    const std::int64_t bytes = 4 * kManyNeurons;
    EXPECT_LE(frames * bytes, std::int64_t{1} << 27);
    EXPECT_GT((frames + 1) * bytes, std::int64_t{1} << 27);
    EXPECT_EQ(gathered_frames(grid, RowPartition(std::int64_t{1} << 40, grid.shards())), 1);
  }
}

TEST(AddTransposedProduct, IsTheDenseProductAdded) {
  const RowPartition partition(kFewNeurons, 3);
  const at::Tensor psi = random_tensor({kFrames, kFewNeurons}, 1), a = random_tensor({kFrames, 4}, 2);
  ColumnBlocks blocks;
  for (int shard = 0; shard < 3; ++shard) blocks.push_back(own_part(psi, partition, shard, {0, kFrames}));
  const at::Tensor before = random_tensor({4, kFewNeurons}, 3);
  at::Tensor sum = before.clone();
  add_transposed_product(a, blocks, sum);
  EXPECT_LT(largest(sum - before - a.t().matmul(psi)), 1e-12);
}

class GramMatrixOn : public OnReplicas {
 protected:
  at::Tensor gram(const at::Tensor& psi) const {
    const RowPartition partition(psi.size(1), grid_->shards());
    GramMatrix gram(*grid_, partition, psi.scalar_type());
    for (const Chunk chunk : chunks_of(*grid_))
      gram.add(gather_columns(grid_->rows(), partition, own_part(psi, partition, grid_->shard(), chunk)));
    return gram.take();
  }
  /// The operations of every rank, in rank order, for so many frames of each.
  std::vector<double> flops(std::int64_t frames) const {
    const GramMatrix gram(*grid_, RowPartition(kManyNeurons, grid_->shards()), at::kFloat);
    return gather_numbers(grid_->world(), gram.flops(frames));
  }
};

TEST_P(GramMatrixOn, UpperTriangleIsThatOfTheDenseProduct) {
  for (const std::int64_t neurons : {kFewNeurons, kManyNeurons}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      SCOPED_TRACE(testing::Message() << neurons << " neurons, " << type);
      const at::Tensor psi = random_tensor({kFrames, neurons}, 1).to(type);
      const at::Tensor wide = psi.to(at::kDouble);
      const at::Tensor sum = gram(psi);
      ASSERT_EQ(sum.scalar_type(), type);
      ASSERT_TRUE(sum.is_contiguous());
      const at::Tensor error = (sum.to(at::kDouble) - wide.t().matmul(wide)).triu();
      EXPECT_LT(largest(error), type == at::kFloat ? 1e-4 : 1e-12);
    }
  }
}

TEST_P(GramMatrixOn, GoesOnFromTheRowsSoFar) {
  // As if the frames so far had been added by one rank alone, or by these.
  for (const std::int64_t neurons : {kFewNeurons, kManyNeurons}) {
    const at::Tensor psi = random_tensor({kFrames, neurons}, 1);
    const RowPartition partition(neurons, grid_->shards());
    const auto add = [&](GramMatrix& gram, Chunk chunk) {
      gram.add(gather_columns(grid_->rows(), partition, own_part(psi, partition, grid_->shard(), chunk)));
    };
    GramMatrix first(*grid_, partition, at::kDouble);
    add(first, {0, 40});
    const at::Tensor own = first.rows_so_far();
    ASSERT_EQ(own.sizes(), (std::vector<std::int64_t>{partition.size(grid_->shard()), neurons}));
    const at::Tensor so_far = psi.narrow(0, 0, 40).t().matmul(psi.narrow(0, 0, 40));
    const std::int64_t begin = partition.begin(grid_->shard());
    EXPECT_LT(largest((own - so_far.narrow(0, begin, own.size(0))).triu(begin)), 1e-12);

    GramMatrix second(*grid_, partition, so_far.tril(-1).fill_(1e300).tril(-1) + so_far.triu());
    add(second, {40, kFrames - 40});
    const at::Tensor sum = second.take();  // of all replicas, which did the same
    EXPECT_LT(largest((sum - GetParam() * psi.t().matmul(psi)).triu()), 1e-11);
  }
}

TEST_P(GramMatrixOn, FlopsOfAllRanksAreThoseOfHalfTheProduct) {
  const double half = static_cast<double>(kManyNeurons * kManyNeurons * kFrames);
  double sum = 0;
  for (const double own : flops(kFrames)) sum += own / GetParam();  // each replica does all tiles
  EXPECT_GT(sum, half);
  EXPECT_LT(sum, half * (1 + 640.0 / kManyNeurons));  // what the tiles on the diagonal have below it
}

TEST_P(GramMatrixOn, FlopsAreSharedToOneTile) {
  const std::vector<double> all = flops(1);
  const auto [least, most] = std::ranges::minmax(all);
  EXPECT_LE(most - least, 2.0 * 640 * 640);
}

INSTANTIATE_TEST_SUITE_P(Replicas, GramMatrixOn, testing::Values(1, 2, 4), testing::PrintToStringParamName());

}  // namespace
}  // namespace weft
