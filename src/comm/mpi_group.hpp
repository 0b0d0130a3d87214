#pragma once

#include <memory>
#include <string_view>

#include <mpi.h>

#include "weft/comm/communicator.hpp"

namespace weft {

/// @throws UserError with MPI's own words where `code`, the result of `call`, is a failure.
void check_mpi(std::string_view call, int code);

/// Takes over `group`: returns its failures as errors from now on, and frees it in the end.
std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm group);

}  // namespace weft
