#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "weft/core/row_partition.hpp"

namespace weft {

/// At most `limit` of the numbers 0 to count - 1, ascending, evenly spaced, 0 among them.
inline std::vector<std::int64_t> evenly_spaced(std::int64_t count, std::int64_t limit) {
  std::vector<std::int64_t> chosen(std::min(count, limit));
  for (std::size_t i = 0; i < chosen.size(); ++i)
    chosen[i] = static_cast<std::int64_t>(i) * count / std::ssize(chosen);
  return chosen;
}

/// How many of the ascending `neurons` each shard owns.
inline std::vector<std::int64_t> owned_counts(const RowPartition& partition,
                                              std::span<const std::int64_t> neurons) {
  std::vector<std::int64_t> counts(partition.shards());
  for (const std::int64_t neuron : neurons) ++counts[partition.owner(GlobalRow{neuron})];
  return counts;
}

inline std::vector<std::int64_t> times(std::vector<std::int64_t> counts, std::int64_t width) {
  for (std::int64_t& count : counts) count *= width;
  return counts;
}

/// Those of the ascending `neurons` that `shard` owns, counted from its first.
inline std::vector<LocalRow> owned(const RowPartition& partition, int shard,
                                   std::span<const std::int64_t> neurons) {
  std::vector<LocalRow> rows;
  for (const std::int64_t neuron : neurons) {
    if (partition.owner(GlobalRow{neuron}) == shard) rows.push_back(partition.local(GlobalRow{neuron}));
  }
  return rows;
}

}  // namespace weft
