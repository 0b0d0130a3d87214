#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/comm/communicator.hpp"
#include "weft/core/error.hpp"

#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

/// The text of the exception of type Error that all ranks are to get.
template <typename Error>
std::string message_of(const std::function<void()>& work) {
  try {
    collectively(test_world(), work);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

void expect_world_still_works() {
  std::int64_t ranks = 1;
  test_world().all_reduce(std::span(&ranks, 1), Reduction::sum).wait();
  EXPECT_EQ(ranks, test_world().size());
}

TEST(Collectively, RunsTheWorkOnceOnEveryRank) {
  int runs = 0;
  collectively(test_world(), [&] { ++runs; });
  EXPECT_EQ(runs, 1);
}

TEST(Collectively, AUserErrorOnOneRankReachesAll) {
  const int rank = test_world().rank();
  for (int failing = 0; failing < test_world().size(); ++failing) {
    const std::string message = message_of<UserError>([&] {
      if (rank == failing) throw UserError("the disk is full");
    });
    const std::string origin = rank == failing ? "" : "rank " + std::to_string(failing) + ": ";
    EXPECT_EQ(message, origin + "the disk is full");
    expect_world_still_works();
  }
}

TEST(Collectively, DataWithoutAnAnswerOnOneRankAreThatForAll) {
  const int failing = test_world().size() - 1;
  const std::string message = message_of<UnidentifiableError>([&] {
    if (test_world().rank() == failing) throw UnidentifiableError("too few frames");
  });
  const std::string origin = test_world().rank() == failing ? "" : "rank " + std::to_string(failing) + ": ";
  EXPECT_EQ(message, origin + "too few frames");
  expect_world_still_works();
}

TEST(Collectively, ABugOnOneRankReachesAllAsABug) {
  const int failing = test_world().size() - 1;
  const std::string message =
      message_of<InternalError>([&] { require(test_world().rank() != failing, "a broken invariant"); });
  const std::string origin = test_world().rank() == failing ? "" : "rank " + std::to_string(failing) + ": ";
  EXPECT_THAT(message, testing::StartsWith(origin + "a broken invariant (a bug in Weft, at "));
  expect_world_still_works();
}

TEST(Collectively, OtherExceptionsReachAllAsOtherExceptions) {
  const int failing = test_world().size() - 1;
  const std::string message = message_of<std::runtime_error>([&] {
    if (test_world().rank() == failing) throw std::runtime_error("out of paper");
  });
  EXPECT_THAT(message, testing::EndsWith("out of paper"));
}

TEST(Collectively, EvenWhatIsNoExceptionReachesAll) {
  const int failing = test_world().size() - 1;
  try {
    collectively(test_world(), [&] {
      if (test_world().rank() == failing) throw 42;
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (int) {
    EXPECT_EQ(test_world().rank(), failing);
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::EndsWith("an exception of an unknown type"));
  }
  expect_world_still_works();
}

TEST(Collectively, EachFailingRankKeepsItsOwnMessageAndTheOthersGetTheFirst) {
  if (test_world().size() < 3) GTEST_SKIP() << "needs three ranks";
  const int rank = test_world().rank();
  const std::string message = message_of<UserError>([&] {
    if (rank > 0) throw UserError("message of " + std::to_string(rank));
  });
  EXPECT_EQ(message, rank == 0 ? "rank 1: message of 1" : "message of " + std::to_string(rank));
  expect_world_still_works();
}

TEST(BroadcastText, HandsOutTheRootsText) {
  Communicator& world = test_world();
  for (int root = 0; root < world.size(); ++root) {
    const std::string text(static_cast<std::size_t>(3 * root), static_cast<char>('a' + root));
    EXPECT_EQ(broadcast_text(world, world.rank() == root ? text : "something else", root), text);
  }
  const std::string with_zero("a\0b", 3);
  EXPECT_EQ(broadcast_text(world, world.rank() == 0 ? with_zero : ""), with_zero);
}

TEST(GatherNumbers, PutsThemInRankOrder) {
  Communicator& world = test_world();
  const std::vector<double> all = gather_numbers(world, 0.5 + world.rank());
  ASSERT_EQ(static_cast<int>(all.size()), world.size());
  for (std::size_t rank = 0; rank < all.size(); ++rank) EXPECT_EQ(all[rank], 0.5 + static_cast<double>(rank));
}

TEST(GatherTexts, PutsThemInRankOrderWhateverTheirLengths) {
  Communicator& world = test_world();
  const auto text_of = [](int rank) { return std::string(static_cast<std::size_t>(3 * rank), 'x'); };
  const std::vector<std::string> all = gather_texts(world, text_of(world.rank()));
  ASSERT_EQ(static_cast<int>(all.size()), world.size());
  for (int rank = 0; rank < world.size(); ++rank)
    EXPECT_EQ(all[static_cast<std::size_t>(rank)], text_of(rank));
}

TEST(TemporaryFolder, IsOneForAllRanksAndGoesInTheEnd) {
  Communicator& world = test_world();
  std::filesystem::path path;
  {
    const TemporaryFolder folder(world);
    path = folder.path();
    EXPECT_EQ(broadcast_text(world, path.string()), path.string());
    std::ofstream(path / std::to_string(world.rank())) << "here";
    world.barrier();
    for (int rank = 0; rank < world.size(); ++rank) EXPECT_TRUE(exists(path / std::to_string(rank)));
  }
  world.barrier();
  EXPECT_FALSE(exists(path));
}

}  // namespace
}  // namespace weft
