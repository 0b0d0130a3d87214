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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

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
  std::unique_ptr<Communicator> connect() {
    return std::make_unique<NcclCommunicator>(stream_, test_world().split(0));
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
  Pending add(Communicator& group) { return group.all_reduce(on_device(std::span(values_)), Reduction::sum); }
  /// How a message starts that is about `call`.
  std::string on_this_rank(const std::string& call) const {
    return call + " on rank " + std::to_string(test_world().rank()) + " of " + std::to_string(ranks_) + ": ";
  }

  NcclStandIn nccl_{test_world()};
  TestClock time_;
  /// What the device says of its stream: `busy_` times that it is busy, then `then_`.
  int busy_ = 0;
  StreamState then_ = StreamState::done;
  bool lost_ = false;
  std::shared_ptr<NcclStream> stream_ = std::make_shared<NcclStream>(
      nccl_.api(), nullptr, [this] { return ask(); }, time_.clock());
  std::vector<float> values_{1};
  const int ranks_ = test_world().size();

 private:
  StreamState ask() {
    if (lost_) throw UserError("the GPU is gone");
    return busy_-- > 0 ? StreamState::busy : then_;
  }
};

TEST_F(NcclCommunicatorTest, WaitsForWhatIsInProgress) {
  nccl_.polls = 1010;
  const auto world = connect();
  EXPECT_GE(*time_.seconds, 4);
  add(*world).wait();
  EXPECT_EQ(values_[0], static_cast<float>(ranks_));
}

TEST_F(NcclCommunicatorTest, GivesUpACallThatIsNotTakenUpAndAborts) {
  nccl_.polls = -1;
  EXPECT_THAT(complaint([&] { connect(); }),
              AllOf(StartsWith(on_this_rank("ncclCommInitRankConfig")), HasSubstr("not done within 10 s"),
                    HasSubstr("NCCL_DEBUG")));
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
  nccl_.failing_call = "ncclAllReduce";
  EXPECT_THAT(complaint([&] { add(*world).wait(); }),
              AllOf(StartsWith(on_this_rank("ncclAllReduce")), HasSubstr("a system error"),
                    HasSubstr("the stand-in's last error")));
  EXPECT_THAT(nccl_.aborted, ElementsAre(0));
  EXPECT_EQ(count("ncclGroupStart"), count("ncclGroupEnd"));
}

TEST_F(NcclCommunicatorTest, AWaitPollsUntilTheStreamIsDone) {
  const auto world = connect();
  Pending sum = add(*world);
  busy_ = 1010;
  const double before = *time_.seconds;
  sum.wait();
  EXPECT_EQ(busy_, -1);
  EXPECT_EQ(*time_.seconds - before, 5);  // ten pauses
}

TEST_F(NcclCommunicatorTest, AnErrorWhileTheStreamIsBusyIsNamedAndAborts) {
  const auto world = connect();
  Pending sum = add(*world);
  busy_ = 3;
  nccl_.async_failure = ncclRemoteError;
  EXPECT_THAT(complaint([&] { sum.wait(); }), AllOf(StartsWith(on_this_rank("ncclAllReduce")),
                                                    HasSubstr("an error"), HasSubstr("NCCL_DEBUG")));
  EXPECT_THAT(nccl_.aborted, ElementsAre(0));
  EXPECT_EQ(nccl_.calls.back(), "ncclGroupEnd");
}

TEST_F(NcclCommunicatorTest, AWaitForOtherRanksIsGivenUpAndAborts) {
  const auto world = connect();
  Pending sum = add(*world);
  busy_ = 2000;  // 500 s
  const std::string message = complaint([&] { sum.wait(); });
  if (ranks_ == 1) {  // nobody whom it could wait for
    EXPECT_EQ(message, "nothing was thrown");
    return;
  }
  EXPECT_THAT(message, AllOf(StartsWith(on_this_rank("ncclAllReduce")), HasSubstr("not done within 10 s"),
                             HasSubstr("NCCL_DEBUG")));
  EXPECT_THAT(nccl_.aborted, ElementsAre(0));
}

TEST_F(NcclCommunicatorTest, AFailureAbortsAllOfTheStreamInTheOrderTheyWereMade) {
  const auto world = connect();
  const auto row = world->split(0), column = world->split(0);
  world->split(0).reset();  // ends in order, and is none of them any more
  nccl_.calls.clear();
  (void)add(*column);
  nccl_.calls.clear();
  busy_ = 1;
  nccl_.async_failure = ncclRemoteError;
  EXPECT_THROW(stream_->wait(), UserError);
  EXPECT_THAT(nccl_.aborted, ElementsAre(0, 1, 2));
  EXPECT_THAT(nccl_.calls, ElementsAre("ncclGroupStart", "ncclCommAbort", "ncclCommAbort", "ncclCommAbort",
                                       "ncclGroupEnd"));
}

/// Which holds collectives of every communicator.
class TestRecording final : public NcclRecording {
 public:
  TestRecording(NcclStandIn& nccl, NcclStream& stream) : nccl_(nccl), stream_(stream) {
    stream_.enter(*this);
    ++nccl_.recordings;
  }
  ~TestRecording() override {
    stream_.leave(*this);
    if (!dropped_) --nccl_.recordings;
  }
  void drop() noexcept override {
    dropped_ = true;
    --nccl_.recordings;
    nccl_.calls.emplace_back("drop");
  }

 private:
  NcclStandIn& nccl_;
  NcclStream& stream_;
  bool dropped_ = false;
};

TEST_F(NcclCommunicatorTest, AFailureDropsTheRecordingsAndThenAbortsInOneGroup) {
  const auto world = connect();
  const auto part = world->split(0);
  { const TestRecording gone(nccl_, *stream_); }
  const TestRecording first(nccl_, *stream_), second(nccl_, *stream_);
  (void)add(*part);
  nccl_.calls.clear();
  busy_ = 1;
  nccl_.async_failure = ncclRemoteError;
  EXPECT_THROW(stream_->wait(), UserError);
  EXPECT_THAT(nccl_.calls, ElementsAre("drop", "drop", "ncclGroupStart", "ncclCommAbort", "ncclCommAbort",
                                       "ncclGroupEnd"));
}

TEST_F(NcclCommunicatorTest, AnEndThatWaitsForARecordingIsGivenUpWithoutIt) {
  auto world = connect();
  const TestRecording recording(nccl_, *stream_);
  nccl_.calls.clear();
  world.reset();
  EXPECT_THAT(nccl_.calls, ElementsAre("ncclCommFinalize", "drop", "ncclCommAbort"));
}

TEST_F(NcclCommunicatorTest, AWrongCallIsABugAndIsMetAgainAsOne) {
  const auto world = connect();
  nccl_.failing_call = "ncclAllReduce";
  nccl_.failure = ncclInvalidArgument;
  EXPECT_THROW(add(*world).wait(), InternalError);
  EXPECT_THROW(add(*world).wait(), InternalError);
  EXPECT_THAT(nccl_.aborted, ElementsAre(0));
}

TEST_F(NcclCommunicatorTest, AFailureIsMetAgainByWhateverFollows) {
  const auto world = connect();
  const auto part = world->split(0);
  busy_ = 1;
  nccl_.async_failure = ncclRemoteError;
  const std::string message = complaint([&] { stream_->wait(); });
  EXPECT_EQ(complaint([&] { stream_->wait(); }), message);
  EXPECT_EQ(complaint([&] { add(*part).wait(); }), message);
  EXPECT_EQ(nccl_.aborted.size(), 2U);
}

TEST_F(NcclCommunicatorTest, AFailureOfTheDeviceAborts) {
  const auto world = connect();
  lost_ = true;
  EXPECT_EQ(complaint([&] { stream_->wait(); }), "the GPU is gone");
  EXPECT_THAT(nccl_.aborted, ElementsAre(0));
  lost_ = false;
  EXPECT_EQ(complaint([&] { add(*world).wait(); }), "the GPU is gone");
}

TEST_F(NcclCommunicatorTest, NothingIsWaitedForWhileTheStreamIsRecorded) {
  const auto world = connect();
  then_ = StreamState::recording;
  Pending sum = add(*world);
  nccl_.async_failure = ncclRemoteError;  // which a wait would meet
  sum.wait();
  stream_->wait();
  EXPECT_THAT(nccl_.aborted, testing::IsEmpty());
  nccl_.async_failure = ncclSuccess;
}

TEST_F(NcclCommunicatorTest, EndsInOrder) {
  connect().reset();
  ASSERT_GE(nccl_.calls.size(), 2U);
  EXPECT_EQ(nccl_.calls[nccl_.calls.size() - 2], "ncclCommFinalize");
  EXPECT_EQ(nccl_.calls.back(), "ncclCommDestroy");
}

TEST_F(NcclCommunicatorTest, NeitherEndsNorAbortsWhereAnExceptionIsOnItsWayOut) {
  try {
    const auto world = connect();
    throw 1;
  } catch (int) {
  }
  EXPECT_THAT(nccl_.aborted, testing::IsEmpty());
  EXPECT_EQ(count("ncclCommFinalize"), 0);
  EXPECT_EQ(count("ncclCommDestroy"), 0);
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

TEST_F(NcclCommunicatorTest, AMaximumOnTheDeviceIsOfWholeNumbers) {
  const auto world = connect();
  std::vector<std::int64_t> whole{world->rank()};
  world->all_reduce(on_device(std::span(whole)), Reduction::max).wait();
  EXPECT_EQ(whole[0], ranks_ - 1);
  std::vector<double> real{1};
  EXPECT_THROW((void)world->all_reduce(on_device(std::span(values_)), Reduction::max), InternalError);
  EXPECT_THROW((void)world->all_reduce(on_device(std::span(real)), Reduction::max), InternalError);
}

}  // namespace
}  // namespace weft
