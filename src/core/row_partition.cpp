#include "weft/core/row_partition.hpp"

#include <algorithm>

#include "weft/core/error.hpp"

namespace weft {

RowPartition::RowPartition(std::int64_t rows, int shards) : rows_(rows), shards_(shards) {
  require(shards >= 1 && rows >= shards, "a partition needs at least one row for each shard");
}

std::int64_t RowPartition::begin(int shard) const {
  const std::int64_t quotient = rows_ / shards_;
  const std::int64_t remainder = rows_ % shards_;
  return shard * quotient + std::min<std::int64_t>(shard, remainder);
}

std::vector<std::int64_t> RowPartition::sizes() const {
  std::vector<std::int64_t> all;
  for (int shard = 0; shard < shards_; ++shard) all.push_back(size(shard));
  return all;
}

int RowPartition::owner(GlobalRow row) const {
  require(index(row) >= 0 && index(row) < rows_, "a row outside the partition");
  const std::int64_t quotient = rows_ / shards_;
  const std::int64_t remainder = rows_ % shards_;
  const std::int64_t in_larger = remainder * (quotient + 1);
  if (index(row) < in_larger) return static_cast<int>(index(row) / (quotient + 1));
  return static_cast<int>(remainder + (index(row) - in_larger) / quotient);
}

}  // namespace weft
