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

TEST(MpiSession, AllRanksOfATestAreOnThisNode) {
  EXPECT_EQ(test_session().ranks_on_this_node(), test_world().size());
}

TEST(MpiSession, RanksOfANodeAreNumberedInTheirOrder) {
  EXPECT_EQ(test_session().rank_on_this_node(), test_world().rank());
}

TEST(MpiSession, ARankThatIsAloneIsNotKeptWaiting) {
  // Rank 0 gives up before the others set out; they find it there already.
  const bool first = test_world().rank() == 0;
  if (!first) test_world().barrier();
  const bool everyone = test_session().everyone_arrives(first ? 0.05 : 60);
  if (first) test_world().barrier();
  EXPECT_EQ(everyone, !first || test_world().size() == 1);
}

TEST(MpiSession, RanksThatComeTogetherFindEachOther) { EXPECT_TRUE(test_session().everyone_arrives(60)); }

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
