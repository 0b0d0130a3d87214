#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"

namespace weft {

// Collectives on a few host numbers, whose result is wanted at once.

/// Element by element, in place. @collective
template <typename T>
void sum_over(Communicator& group, std::span<T> values) {
  group.all_reduce(values, Reduction::sum).wait();
}

/// One number summed over the ranks of `group`. @collective
inline double sum_over(Communicator& group, double value) {
  sum_over(group, std::span<double>(&value, 1));
  return value;
}

/// The ranks' blocks one after the other, on every rank; `counts[r]` elements come from rank r. @collective
template <typename T>
std::vector<T> gather_blocks(Communicator& group, std::vector<T> own,
                             const std::vector<std::int64_t>& counts) {
  std::vector<T> gathered(
      static_cast<std::size_t>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})));
  group.all_gather(std::span<T>(own), std::span<T>(gathered), counts).wait();
  return gathered;
}

}  // namespace weft
