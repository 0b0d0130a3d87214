#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "weft/comm/communicator.hpp"

namespace weft {

/// Bytes of one scalar.
std::size_t size_of(ScalarType type);

/// `count` elements of `buffer` from `first` on.
Buffer part(Buffer buffer, std::size_t first, std::size_t count);

/// @throws InternalError unless `own` is a block of `counts[rank]` and `all` the blocks of all ranks, of one
/// type.
void require_blocks(Buffer own, Buffer all, std::span<const std::int64_t> counts, int rank, int size);

/// Reduces `ranks` runs of `result.count` elements, one after the other in `runs`, element by element into
/// `result`, always in the order of the ranks: rounding then is the same on every rank and in every run,
/// which MPI's own reductions do not promise. A NaN anywhere makes the maximum NaN. Bytes are whole numbers
/// from 0 to 255.
void reduce_in_rank_order(const std::byte* runs, int ranks, Buffer result, Reduction reduction);

}  // namespace weft
