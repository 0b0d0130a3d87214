#pragma once

#include <functional>

namespace weft {

/// What a long computation calls between two of its steps, where its state is whole: there all ranks may save
/// it, and stop. Called by all ranks of the grid at the same place. @collective @throws Stopped on all ranks
using BetweenSteps = std::function<void()>;

}  // namespace weft
