#include "weft/ops/stop_request.hpp"

#include <chrono>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"

#include "support/user_error.hpp"

namespace weft {
namespace {

using testing::Optional;
using testing::StrEq;

/// A clock that the test sets, and an environment with nothing but what it says.
class StopRequestTest : public testing::Test {
 protected:
  StopRequest::Options options() {
    StopRequest::Options result;
    result.lookup = [this](const char* name) -> const char* {
      return name == std::string("SLURM_JOB_END_TIME") && job_end_ ? job_end_->c_str() : nullptr;
    };
    result.now = [this] { return now_; };
    return result;
  }

  double now_ = 1.7e9;
  std::optional<std::string> job_end_;
};

TEST_F(StopRequestTest, NothingIsRequestedAtFirst) {
  const StopRequest request(options());
  now_ += 1e9;
  EXPECT_EQ(request.reason(), std::nullopt);
}

TEST_F(StopRequestTest, ASignalIsNoted) {
  for (const auto& [signal, name] :
       std::map<int, std::string>{{SIGUSR1, "SIGUSR1"}, {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}}) {
    const StopRequest request(options());
    std::raise(signal);
    EXPECT_THAT(request.reason(), Optional(StrEq(name)));
    EXPECT_THAT(request.reason(), Optional(StrEq(name))) << "for good";
  }
}

TEST_F(StopRequestTest, SignalsAreNotedWhereTheTimeIsNot) {
  StopRequest::Options of_another_rank = options();
  of_another_rank.watches_clock = false;
  of_another_rank.max_hours = 1;
  job_end_ = "1700003600";
  const StopRequest request(of_another_rank);
  now_ += 1e6;
  EXPECT_EQ(request.reason(), std::nullopt);
  std::raise(SIGUSR1);
  EXPECT_THAT(request.reason(), Optional(StrEq("SIGUSR1")));
}

/// How a child process ends that gets these signals one after the other, after a pause each, while a
/// StopRequest lives.
int status_after(std::initializer_list<int> signals, std::chrono::milliseconds pause) {
  const pid_t child = fork();
  if (child == 0) {
    const StopRequest request({});
    for (const int signal : signals) {
      std::this_thread::sleep_for(pause);  // real time is what the answer depends on
      std::raise(signal);
    }
    _exit(request.reason() ? 75 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

constexpr std::chrono::milliseconds kLater{600};
constexpr std::chrono::milliseconds kAtOnce{0};

TEST(StopRequestTwice, ASignalToEndThatComesOverTwoWaysIsOne) {
  EXPECT_EQ(WEXITSTATUS(status_after({SIGTERM, SIGTERM, SIGINT}, kAtOnce)), 75);
}

TEST(StopRequestTwice, ASecondSignalToEndEndsTheProcess) {
  for (const auto& [signals, last] : std::map<std::pair<int, int>, int>{
           {{SIGTERM, SIGTERM}, SIGTERM}, {{SIGINT, SIGINT}, SIGINT}, {{SIGTERM, SIGINT}, SIGINT}}) {
    const int status = status_after({signals.first, signals.second}, kLater);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), last);
  }
  const int status = status_after({SIGTERM, SIGUSR1, SIGTERM}, kLater);
  ASSERT_TRUE(WIFSIGNALED(status)) << "whatever came in between";
}

TEST(StopRequestTwice, ASecondSignalToStopChangesNothing) {
  EXPECT_EQ(WEXITSTATUS(status_after({SIGUSR1, SIGUSR1, SIGUSR1}, kLater)), 75);
  EXPECT_EQ(WEXITSTATUS(status_after({SIGUSR1, SIGTERM}, kLater)), 75);
  EXPECT_EQ(WEXITSTATUS(status_after({SIGTERM, SIGUSR1}, kLater)), 75);
  EXPECT_EQ(WEXITSTATUS(status_after({}, kLater)), 1);
}

int handled_before = 0;
void handle_before(int signal) { handled_before = signal; }

TEST_F(StopRequestTest, GivesTheSignalsBackInTheEnd) {
  const auto former = std::signal(SIGUSR1, handle_before);
  {
    const StopRequest request(options());
    std::raise(SIGUSR1);
    EXPECT_EQ(handled_before, 0);
  }
  std::raise(SIGUSR1);
  EXPECT_EQ(handled_before, SIGUSR1);
  std::signal(SIGUSR1, former);
}

TEST_F(StopRequestTest, AnEarlierOnesSignalsAreForgotten) {
  {
    const StopRequest earlier(options());
    std::raise(SIGTERM);
  }
  const StopRequest request(options());
  EXPECT_EQ(request.reason(), std::nullopt);
  std::raise(SIGTERM);
  EXPECT_THAT(request.reason(), Optional(StrEq("SIGTERM"))) << "the process lives on";
}

TEST_F(StopRequestTest, TwoAtATimeAreABug) {
  const StopRequest request(options());
  EXPECT_THROW(const StopRequest second(options()), InternalError);
}

TEST_F(StopRequestTest, TheHoursAreCountedFromTheStart) {
  StopRequest::Options half_an_hour = options();
  half_an_hour.max_hours = 0.5;
  const StopRequest request(half_an_hour);
  now_ += 1799;
  EXPECT_EQ(request.reason(), std::nullopt);
  now_ += 1;
  EXPECT_THAT(request.reason(), Optional(StrEq("--max-hours 0.5")));
}

TEST_F(StopRequestTest, NoHoursAtAllAreOverAtOnce) {
  StopRequest::Options none = options();
  none.max_hours = 0;
  EXPECT_THAT(StopRequest(none).reason(), Optional(StrEq("--max-hours 0")));
}

TEST_F(StopRequestTest, TheSlurmJobsEndLeavesTimeForThreeSaves) {
  job_end_ = "1700003600";
  StopRequest request(options());
  request.save_took(50);
  request.save_took(20);
  now_ += 3600 - 120 - 3 * 50 - 1;
  EXPECT_EQ(request.reason(), std::nullopt);
  now_ += 1;
  EXPECT_THAT(request.reason(), Optional(StrEq("the Slurm job ends in 270 s")));
}

TEST_F(StopRequestTest, TheSlurmJobsEndLeavesTimeForTheLongestPause) {
  job_end_ = "1700003600";
  StopRequest request(options());
  request.asked_after(400);
  request.asked_after(3);
  now_ += 3600 - 120 - 400 - 1;
  EXPECT_EQ(request.reason(), std::nullopt);
  now_ += 1;
  EXPECT_THAT(request.reason(), Optional(StrEq("the Slurm job ends in 520 s")));
}

TEST_F(StopRequestTest, AJobThatEndsSoonIsStoppedAtOnce) {
  job_end_ = "1700000060";
  EXPECT_THAT(StopRequest(options()).reason(), Optional(StrEq("the Slurm job ends in 60 s")));
}

TEST_F(StopRequestTest, AJobThatRunsOnAfterItsEndWasGivenMoreTime) {
  for (const char* over : {"1699999999", "1700000000", "0"}) {
    job_end_ = over;
    EXPECT_EQ(StopRequest(options()).reason(), std::nullopt) << over;
  }
}

TEST_F(StopRequestTest, AJobWithoutAnEndHasNone) {
  for (const char* far : {"", "4294967295", "9223372036854775807"}) {
    job_end_ = far;
    EXPECT_EQ(StopRequest(options()).reason(), std::nullopt) << far;
  }
}

TEST_F(StopRequestTest, NonsenseForTheJobsEndIsRefused) {
  for (const char* nonsense : {"soon", "-5", "17e8", "1700003600 ", "99999999999999999999"}) {
    job_end_ = nonsense;
    expect_user_error([&] { const StopRequest request(options()); },
                      {"SLURM_JOB_END_TIME: \"" + std::string(nonsense) + "\"", "seconds since 1970",
                       "unset SLURM_JOB_END_TIME"});
  }
  job_end_.reset();
  EXPECT_NO_THROW(const StopRequest request(options())) << "a refused one leaves nothing behind";
}

}  // namespace
}  // namespace weft
