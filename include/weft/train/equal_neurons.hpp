#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "weft/comm/communicator.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// Two neurons whose activity is the same, bit for bit, at every frame and not constant: no data can tell
/// their weights apart. Absent where there are none. @collective over the row shards; the same on all of
/// them.
std::optional<std::pair<std::int64_t, std::int64_t>> find_equal_neurons(Communicator& rows,
                                                                        const TrainingData& data);

}  // namespace weft
