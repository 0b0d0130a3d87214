#pragma once

#include <cstdint>
#include <vector>

namespace weft {

/// A row of W, that is a postsynaptic neuron, counted over the whole assembly.
enum class GlobalRow : std::int64_t {};
/// A row counted from the first one that a shard owns.
enum class LocalRow : std::int64_t {};

constexpr std::int64_t index(GlobalRow row) { return static_cast<std::int64_t>(row); }
constexpr std::int64_t index(LocalRow row) { return static_cast<std::int64_t>(row); }

/// How the rows of W, and with them the neurons, are split over shards: contiguous blocks in order, of sizes
/// that differ by one at most, the larger ones first. Local: pure arithmetic, no communication.
///
///     rows = 10, shards = 4         shard 0 | shard 1 | shard 2 | shard 3
///                                   0 1 2   | 3 4 5   | 6 7     | 8 9
///     size(0) = 3, begin(2) = 6, owner(GlobalRow{7}) = 2, local(GlobalRow{7}) = LocalRow{1}
class RowPartition {
 public:
  /// @throws InternalError unless 1 <= shards <= rows: every shard owns at least one row.
  RowPartition(std::int64_t rows, int shards);

  std::int64_t rows() const { return rows_; }
  int shards() const { return shards_; }
  std::int64_t begin(int shard) const;
  std::int64_t end(int shard) const { return begin(shard + 1); }
  std::int64_t size(int shard) const { return end(shard) - begin(shard); }
  /// The sizes of all shards, in order.
  std::vector<std::int64_t> sizes() const;

  int owner(GlobalRow row) const;
  LocalRow local(GlobalRow row) const { return LocalRow{index(row) - begin(owner(row))}; }
  GlobalRow global(int shard, LocalRow row) const { return GlobalRow{begin(shard) + index(row)}; }

  bool operator==(const RowPartition&) const = default;

 private:
  std::int64_t rows_;
  int shards_;
};

}  // namespace weft
