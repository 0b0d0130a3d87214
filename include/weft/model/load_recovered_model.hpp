#pragma once

#include <memory>

#include "weft/io/checkpoint.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// This shard's part of a checkpoint, by whichever method it was trained, on however many ranks. Local.
/// @throws UserError for a method that is unknown, and where an array is missing or of another shape.
std::unique_ptr<RecoveredModel> load_recovered_model(const Checkpoint& checkpoint,
                                                     const RowPartition& partition, int shard);

}  // namespace weft
