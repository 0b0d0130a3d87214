#include <array>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include <mpi.h>

#include "weft/comm/mpi_communicator.hpp"
#include "weft/core/error.hpp"

#include "mpi_group.hpp"

namespace weft {
namespace {

/// In the order of their ranks. @collective
std::unique_ptr<Communicator> ranks_of_this_node() {
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi("MPI_Comm_split_type",
            MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
  return make_mpi_communicator(node);
}

}  // namespace

MpiSession::MpiSession(int& argc, char**& argv) {
  int initialised = 0;
  MPI_Initialized(&initialised);
  require(initialised == 0, "a second MPI session in one program");
  int provided = MPI_THREAD_SINGLE;
  check_mpi("MPI_Init_thread", MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
  if (provided >= MPI_THREAD_FUNNELED) return;
  throw UserError({"MPI_Init_thread", "this MPI library supports programs of one thread only",
                   "MPI_THREAD_FUNNELED", "use an MPI library built with thread support"});
}

MpiSession::~MpiSession() {
  if (std::uncaught_exceptions() == 0) MPI_Finalize();
}

std::unique_ptr<Communicator> MpiSession::world() const {
  MPI_Comm group = MPI_COMM_NULL;
  check_mpi("MPI_Comm_dup", MPI_Comm_dup(MPI_COMM_WORLD, &group));
  return make_mpi_communicator(group);
}

int MpiSession::ranks_on_this_node() const { return ranks_of_this_node()->size(); }

int MpiSession::rank_on_this_node() const { return ranks_of_this_node()->rank(); }

bool MpiSession::everyone_arrives(double seconds) const {
  const double deadline = MPI_Wtime() + seconds;
  MPI_Request barrier = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(MPI_COMM_WORLD, &barrier) != MPI_SUCCESS) return false;
  int arrived = 0;
  while (arrived == 0 && MPI_Wtime() < deadline) {
    if (MPI_Test(&barrier, &arrived, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
    std::this_thread::yield();
  }
  return arrived != 0;
}

void MpiSession::abort(int exit_code) const {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

std::string mpi_library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  check_mpi("MPI_Get_library_version", MPI_Get_library_version(text.data(), &length));
  // Libraries append where and when they were built, after a comma or on further lines.
  const std::string all(text.data(), static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace weft
