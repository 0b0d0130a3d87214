#pragma once

#include "weft/comm/communicator.hpp"

namespace weft {

/// The communicator of all ranks that communicator_test.cpp holds to its contract: MPI's, or one on device
/// memory.
Communicator& world_under_test();

}  // namespace weft
