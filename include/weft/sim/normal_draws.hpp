#pragma once

#include <cstdint>
#include <span>

#include "weft/core/philox.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// The neurons that one rank owns, out of the whole assembly: what keys their random numbers.
struct OwnNeurons {
  std::int64_t neurons = 0;  ///< N, the whole assembly
  GlobalRow first{0};        ///< of those owned
  std::int64_t count = 0;    ///< owned
};

/// values = deviation * standard normal, (S x own neurons) row-major, keyed by `step` and by trajectory * N +
/// global row: the same on any number of ranks and threads. Local, parallel over elements.
void draw_normal(const Philox& random, std::uint64_t step, double deviation, const OwnNeurons& own,
                 std::span<float> values);

}  // namespace weft
