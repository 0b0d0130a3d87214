#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// The same frames of every shard's columns, by shard: (frames x size of the shard) each, in one buffer.
using ColumnBlocks = std::vector<at::Tensor>;

/// All columns at the frames that `own`, (frames x own columns), holds of this shard's. Few frames at a time:
/// no rank is to hold all of them. @collective over the row shards.
ColumnBlocks gather_columns(Communicator& rows, const RowPartition& partition, at::Tensor own);

/// How many frames to gather at a time: all of them where there is nothing to gather, else as many as about
/// 128 MB hold.
std::int64_t gathered_frames(const ProcessGrid& grid, const RowPartition& partition);

/// Adds a' Psi, (columns of a x N), to `sum`, where Psi comes in blocks. Local.
void add_transposed_product(const at::Tensor& a, const ColumnBlocks& psi, at::Tensor& sum);

/// G = Psi' Psi, (N x N), added up over blocks of frames. Each tile of the upper triangle is formed by one
/// rank of a row of the grid, each replica adds its own frames.
class GramMatrix {
 public:
  /// `options`: the type of its numbers, and where they and the blocks lie.
  GramMatrix(const ProcessGrid& grid, const RowPartition& partition, const at::TensorOptions& options);
  /// Goes on from `sum`, (N x N): the rows_so_far of all shards, however many, one below the other.
  GramMatrix(const ProcessGrid& grid, const RowPartition& partition, at::Tensor sum);

  /// More frames, all columns of them. Local.
  void add(const ColumnBlocks& psi);
  /// Floating-point operations that this rank does to add so many frames.
  double flops(std::int64_t frames) const;
  /// This shard's rows of the sum over the tiles of a row of the grid, (rows x N), on the host; only the
  /// upper triangle means anything. @collective over the row shards.
  at::Tensor rows_so_far() const;
  /// The sum over all ranks' tiles and frames, row-major; only the upper triangle means anything. The object
  /// is empty afterwards. @collective over the grid.
  at::Tensor take();

 private:
  struct Tile {
    int shard;  ///< that forms it
    int row_shard, column_shard;
    std::int64_t row, rows, column, columns;  ///< inside their shards
  };
  void choose_tiles();
  at::Tensor part_of(const Tile& tile) const;

  const ProcessGrid& grid_;
  RowPartition partition_;
  std::vector<Tile> tiles_;  ///< of all shards
  at::Tensor sum_;
};

}  // namespace weft
