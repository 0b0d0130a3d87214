#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/comm/mpi_communicator.hpp"
#include "weft/core/error.hpp"

#include "../../src/comm/mpi_group.hpp"
#include "support/mpi_main.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

TEST(MpiSession, ASecondOneIsABug) {
  int argc = 0;
  char** argv = nullptr;
  EXPECT_THROW(MpiSession(argc, argv), InternalError);
}

TEST(CheckMpi, FailuresAreUserErrorsInMpisOwnWords) {
  MPI_Comm group = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &group);
  const auto owner = make_mpi_communicator(group);
  int value = 0;
  expect_user_error([&] { check_mpi("MPI_Bcast", MPI_Bcast(&value, 1, MPI_INT, owner->size(), group)); },
                    {"MPI_Bcast on rank " + std::to_string(owner->rank()) + ": MPI_ERR_ROOT"});
}

TEST(MpiLibraryVersion, IsOneLineWithANumber) {
  EXPECT_THAT(mpi_library_version(), testing::MatchesRegex("[^\n,]*MPI[^\n,]*[0-9]+\\.[0-9]+[^\n,]*"));
}

}  // namespace
}  // namespace weft
