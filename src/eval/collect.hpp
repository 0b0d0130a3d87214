#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// Element by element, in place. @collective
template <typename T>
void sum_over_ranks(Communicator& group, std::span<T> values) {
  group.all_reduce(values, Reduction::sum).wait();
}

/// The ranks' blocks one after the other, on every rank. @collective
template <typename T>
std::vector<T> gather_blocks(Communicator& group, std::vector<T> own,
                             const std::vector<std::int64_t>& counts) {
  std::vector<T> gathered(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  group.all_gather(std::span<T>(own), std::span<T>(gathered), counts).wait();
  return gathered;
}

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
