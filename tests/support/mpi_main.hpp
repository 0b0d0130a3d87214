#pragma once

#include "weft/comm/communicator.hpp"
#include "weft/comm/mpi_communicator.hpp"

namespace weft {

/// All ranks that the test program was started on; one rank without mpirun.
Communicator& test_world();

/// The session that the test program runs in.
const MpiSession& test_session();

}  // namespace weft
