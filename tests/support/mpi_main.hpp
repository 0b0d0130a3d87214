#pragma once

#include <string>

#include "weft/comm/communicator.hpp"
#include "weft/comm/mpi_communicator.hpp"

namespace weft {

/// All ranks that the test program was started on; one rank without mpirun.
Communicator& test_world();

/// Why the program cannot run its tests here, in a line: a test program that needs more than a CPU defines
/// it. All ranks then end with exit code 77, after "skipped: <reason>". Empty unless defined. @collective
std::string reason_to_skip(const MpiSession& session);

/// The session that the test program runs in.
const MpiSession& test_session();

}  // namespace weft
