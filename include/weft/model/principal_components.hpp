#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// The first two principal components over neurons of curves sampled at the same `points`, each scaled to
/// unit variance; a component of no variance is 0. `curves` are this shard's, (rows x points); returns this
/// shard's (rows x 2). @collective over the row shards.
std::vector<double> principal_components(Communicator& rows, const RowPartition& partition,
                                         std::span<const double> curves, std::int64_t points);

}  // namespace weft
