#include "weft/train/gram_matrix.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/train/tensor_buffer.hpp"

#include "train/tensor_sums.hpp"

namespace weft {
namespace {

// Wide enough for products at full speed, narrow enough that little below the diagonal is formed.
constexpr std::int64_t kHostTile = 640, kDeviceTile = 2048;
constexpr std::int64_t kPanel = 1024;
constexpr std::int64_t kGatheredNumbers = std::int64_t{1} << 25;

struct Range {
  int shard;
  std::int64_t first, count;
};

std::vector<Range> cut_columns(const RowPartition& partition, std::int64_t tile) {
  std::vector<Range> ranges;
  for (int shard = 0; shard < partition.shards(); ++shard) {
    const std::int64_t size = partition.size(shard);
    const std::int64_t pieces = (size + tile - 1) / tile;
    for (std::int64_t k = 0; k < pieces; ++k) {
      const std::int64_t first = size * k / pieces;
      ranges.push_back({shard, first, size * (k + 1) / pieces - first});
    }
  }
  return ranges;
}

}  // namespace

std::int64_t gathered_frames(const ProcessGrid& grid, const RowPartition& partition) {
  if (grid.shards() == 1) return std::numeric_limits<std::int64_t>::max() / 2;
  return std::max<std::int64_t>(1, kGatheredNumbers / partition.rows());
}

ColumnBlocks gather_columns(Communicator& rows, const RowPartition& partition, at::Tensor own) {
  if (rows.size() == 1) return {std::move(own)};
  const std::int64_t frames = own.size(0);
  at::Tensor all = at::empty({frames * partition.rows()}, own.options());
  std::vector<std::int64_t> counts;
  for (const std::int64_t size : partition.sizes()) counts.push_back(frames * size);
  rows.all_gather(buffer_of(own), buffer_of(all), counts).wait();
  ColumnBlocks blocks;
  for (int shard = 0; shard < partition.shards(); ++shard) {
    const std::int64_t size = partition.size(shard);
    blocks.push_back(all.narrow(0, frames * partition.begin(shard), frames * size).view({frames, size}));
  }
  return blocks;
}

void add_transposed_product(const at::Tensor& a, const ColumnBlocks& psi, at::Tensor& sum) {
  std::int64_t first = 0;
  for (const at::Tensor& block : psi) {
    sum.narrow(1, first, block.size(1)).addmm_(a.t(), block);
    first += block.size(1);
  }
}

GramMatrix::GramMatrix(const ProcessGrid& grid, const RowPartition& partition,
                       const at::TensorOptions& options)
    : grid_(grid), partition_(partition), sum_(at::zeros({partition.rows(), partition.rows()}, options)) {
  choose_tiles();
}

GramMatrix::GramMatrix(const ProcessGrid& grid, const RowPartition& partition, at::Tensor sum)
    : grid_(grid), partition_(partition), sum_(std::move(sum)) {
  require(sum_.dim() == 2 && sum_.size(0) == partition.rows() && sum_.size(1) == partition.rows(),
          "a sum of the whole matrix");
  choose_tiles();
  for (const Tile& tile : tiles_)
    if (tile.shard != grid.shard()) part_of(tile).zero_();
}

/// The tiles of the upper triangle, dealt out so that every shard gets the same work to one tile.
void GramMatrix::choose_tiles() {
  const std::vector<Range> ranges = cut_columns(partition_, sum_.is_cpu() ? kHostTile : kDeviceTile);
  std::vector<std::int64_t> load(static_cast<std::size_t>(partition_.shards()), 0);
  for (std::size_t a = 0; a < ranges.size(); ++a) {
    for (std::size_t b = a; b < ranges.size(); ++b) {
      const auto least = std::ranges::min_element(load);
      *least += ranges[a].count * ranges[b].count;
      tiles_.push_back({static_cast<int>(least - load.begin()), ranges[a].shard, ranges[b].shard,
                        ranges[a].first, ranges[a].count, ranges[b].first, ranges[b].count});
    }
  }
}

at::Tensor GramMatrix::part_of(const Tile& tile) const {
  return sum_.narrow(0, partition_.begin(tile.row_shard) + tile.row, tile.rows)
      .narrow(1, partition_.begin(tile.column_shard) + tile.column, tile.columns);
}

double GramMatrix::flops(std::int64_t frames) const {
  double sum = 0;
  for (const Tile& tile : tiles_)
    if (tile.shard == grid_.shard()) sum += 2.0 * static_cast<double>(tile.rows * tile.columns * frames);
  return sum;
}

void GramMatrix::add(const ColumnBlocks& psi) {
  for (const Tile& tile : tiles_) {
    if (tile.shard != grid_.shard()) continue;
    const at::Tensor rows = psi[static_cast<std::size_t>(tile.row_shard)].narrow(1, tile.row, tile.rows);
    const at::Tensor columns =
        psi[static_cast<std::size_t>(tile.column_shard)].narrow(1, tile.column, tile.columns);
    part_of(tile).addmm_(rows.t(), columns);
  }
}

at::Tensor GramMatrix::rows_so_far() const {
  const std::int64_t n = partition_.rows();
  at::Tensor own = at::empty({partition_.size(grid_.shard()), n}, sum_.options().device(at::kCPU));
  for (int shard = 0; shard < partition_.shards(); ++shard) {
    for (std::int64_t first = 0; first < partition_.size(shard); first += kPanel) {
      const std::int64_t count = std::min(kPanel, partition_.size(shard) - first);
      at::Tensor panel = sum_.narrow(0, partition_.begin(shard) + first, count).clone();
      sum_over(grid_.rows(), panel);
      if (shard == grid_.shard()) own.narrow(0, first, count).copy_(panel);
    }
  }
  return own;
}

at::Tensor GramMatrix::take() {
  const std::int64_t n = partition_.rows();
  for (std::int64_t first = 0; first < n && grid_.world().size() > 1; first += kPanel) {
    at::Tensor part = sum_.narrow(0, first, std::min(kPanel, n - first)).narrow(1, first, n - first);
    at::Tensor packed = part.contiguous();
    grid_.world().all_reduce(buffer_of(packed), Reduction::sum).wait();
    part.copy_(packed);
  }
  return std::move(sum_);
}

}  // namespace weft
