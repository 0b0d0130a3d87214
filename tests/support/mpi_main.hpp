#pragma once

#include "weft/comm/communicator.hpp"

namespace weft {

/// All ranks that the test program was started on; one rank without mpirun.
Communicator& test_world();

}  // namespace weft
