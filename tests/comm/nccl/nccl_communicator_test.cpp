// What NcclCommunicator does when NCCL fails, is slow or hangs, and which calls it makes.

#include "comm/nccl/nccl_communicator.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "nccl_stand_in.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// Time that passes only while somebody waits.
struct TestClock {
  std::shared_ptr<double> seconds = std::make_shared<double>(0);
  NcclClock clock() const {
    return {[s = seconds] { return *s; }, [s = seconds] { *s += 0.5; }, 10};
  }
};

Buffer on_device(Buffer buffer) {
  buffer.memory = Memory::device;
  return buffer;
}

class NcclCommunicatorTest : public testing::Test {
 protected:
  std::unique_ptr<NcclCommunicator> connect() {
    return std::make_unique<NcclCommunicator>(nccl_.api(), test_world().split(0), nullptr, time_.clock());
  }
  long count(const std::string& call) const { return std::ranges::count(nccl_.calls, call); }
  /// The message of the UserError that `work` throws.
  template <typename Work>
  std::string complaint(Work work) {
    try {
      work();
    } catch (const UserError& error) {
      return error.what();
    }
    return "nothing was thrown";
  }

  NcclStandIn nccl_{test_world()};
  TestClock time_;
  const int ranks_ = test_world().size();
};

TEST_F(NcclCommunicatorTest, WaitsForWhatIsInProgress) {
  nccl_.polls = 7;
  const auto world = connect();
  EXPECT_GE(*time_.seconds, 3);
  std::vector<float> values{1};
  world->all_reduce(on_device(std::span(values)), Reduction::sum).wait();
  EXPECT_EQ(values[0], static_cast<float>(ranks_));
}

TEST_F(NcclCommunicatorTest, GivesUpAWaitAndAborts) {
  nccl_.polls = -1;
  EXPECT_THAT(
      complaint([&] { connect(); }),
      AllOf(HasSubstr("ncclCommInitRankConfig"), HasSubstr("not done within 10 s"), HasSubstr("NCCL_DEBUG")));
  EXPECT_EQ(count("ncclCommAbort"), 1);
  EXPECT_EQ(count("ncclCommDestroy"), 0);
}

TEST_F(NcclCommunicatorTest, AFailureToMakeTheIdReachesAllRanks) {
  if (test_world().rank() == 0) nccl_.failing_call = "ncclGetUniqueId";
  EXPECT_THAT(complaint([&] { connect(); }), HasSubstr("a system error"));
  EXPECT_EQ(count("ncclCommInitRankConfig"), 0);
}

TEST_F(NcclCommunicatorTest, ACollectiveThatFailsIsNamedAndAborts) {
  const auto world = connect();
  std::vector<float> values(3);
  nccl_.failing_call = "ncclAllReduce";
  EXPECT_THAT(complaint([&] { world->all_reduce(on_device(std::span(values)), Reduction::sum).wait(); }),
              AllOf(HasSubstr("ncclAllReduce on rank"), HasSubstr("a system error"),
                    HasSubstr("the stand-in's last error")));
  EXPECT_EQ(nccl_.calls.back(), "ncclCommAbort");
  EXPECT_EQ(count("ncclGroupStart"), count("ncclGroupEnd"));
}

TEST_F(NcclCommunicatorTest, AFailureSeenLaterAborts) {
  const auto world = connect();
  world->check();
  nccl_.async_failure = ncclRemoteError;
  EXPECT_THAT(complaint([&] { world->check(); }), HasSubstr("a collective on rank"));
  EXPECT_EQ(nccl_.calls.back(), "ncclCommAbort");
  EXPECT_THROW(world->check(), InternalError);  // it is gone
}

TEST_F(NcclCommunicatorTest, EndsInOrder) {
  connect().reset();
  ASSERT_GE(nccl_.calls.size(), 2U);
  EXPECT_EQ(nccl_.calls[nccl_.calls.size() - 2], "ncclCommFinalize");
  EXPECT_EQ(nccl_.calls.back(), "ncclCommDestroy");
}

TEST_F(NcclCommunicatorTest, AbortsWhereAnExceptionIsOnItsWayOut) {
  try {
    const auto world = connect();
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(nccl_.calls.back(), "ncclCommAbort");
}

TEST_F(NcclCommunicatorTest, EqualBlocksGoByOneCallUnequalOnesByOneARank) {
  const auto world = connect();
  const auto me = static_cast<std::size_t>(world->rank());
  const auto gather = [&](const std::vector<std::int64_t>& counts) {
    std::int64_t total = 0;
    for (const std::int64_t count : counts) total += count;
    std::vector<double> own(static_cast<std::size_t>(counts[me]), 1), all(static_cast<std::size_t>(total));
    nccl_.calls.clear();
    world->all_gather(on_device(std::span(own)), on_device(std::span(all)), counts).wait();
    EXPECT_THAT(all, testing::Each(1.0));
  };
  gather(std::vector<std::int64_t>(static_cast<std::size_t>(ranks_), 4));
  EXPECT_EQ(count("ncclAllGather"), 1);
  EXPECT_EQ(count("ncclBroadcast"), 0);
  if (ranks_ == 1) return;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(ranks_), 4);
  counts.back() = 3;
  gather(counts);
  EXPECT_EQ(count("ncclAllGather"), 0);
  EXPECT_EQ(count("ncclBroadcast"), ranks_);
  EXPECT_EQ(count("ncclGroupEnd"), 1);
}

TEST_F(NcclCommunicatorTest, HostBuffersGoByTheControlRanks) {
  const auto world = connect();
  nccl_.calls.clear();
  std::vector<double> values{1};
  world->all_reduce(std::span(values), Reduction::sum).wait();
  EXPECT_EQ(values[0], ranks_);
  EXPECT_THAT(nccl_.calls, testing::IsEmpty());
}

TEST_F(NcclCommunicatorTest, MixedMemoryAndWrongCountsAreBugs) {
  const auto world = connect();
  std::vector<double> own(2), all(2 * static_cast<std::size_t>(ranks_));
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(ranks_), 2), wrong(counts.size(), 3);
  EXPECT_THROW((void)world->all_gather(on_device(std::span(own)), std::span(all), counts), InternalError);
  EXPECT_THROW((void)world->all_gather(on_device(std::span(own)), on_device(std::span(all)), wrong),
               InternalError);
}

}  // namespace
}  // namespace weft
