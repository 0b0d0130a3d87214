#pragma once

#include "weft/comm/communicator.hpp"

namespace weft {

/// The communicator of all ranks that communicator_test.cpp holds to its contract: MPI's, or one on device
/// memory.
Communicator& world_under_test();

/// Whether its sums are those in rank order, bit for bit, and not to rounding.
bool world_adds_in_rank_order();

}  // namespace weft
