#include "io/background_work.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(BackgroundWork, IsDoneOnAnotherThreadWhileTheCallerGoesOn) {
  BackgroundWork work;
  EXPECT_TRUE(work.done());
  std::atomic<bool> may_end = false;
  std::thread::id where;
  work.start([&] {
    where = std::this_thread::get_id();
    while (!may_end) std::this_thread::yield();
  });
  EXPECT_FALSE(work.done());
  may_end = true;
  work.wait();
  EXPECT_TRUE(work.done());
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_EQ(work.failure(), "");
}

TEST(BackgroundWork, EndsInWordsWhateverItThrows) {
  BackgroundWork work;
  work.start([] { throw std::runtime_error("no disk"); });
  work.wait();
  EXPECT_EQ(work.failure(), "no disk");
  work.start([] { throw 7; });
  work.wait();
  EXPECT_EQ(work.failure(), "an exception of an unknown type");
  work.start([] {});
  work.wait();
  EXPECT_EQ(work.failure(), "");
}

TEST(BackgroundWork, WaitsForTheOneBeforeAndAtItsEnd) {
  std::vector<int> order;
  {
    BackgroundWork work;
    for (int i = 0; i < 20; ++i) work.start([&order, i] { order.push_back(i); });
  }
  EXPECT_EQ(order.size(), 20);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(BackgroundWork, TakesNoSignalAndLeavesThemToTheCaller) {
  sigset_t there;
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  BackgroundWork work;
  work.start([&] { pthread_sigmask(SIG_SETMASK, nullptr, &there); });
  work.wait();
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT, SIGXFSZ}) {
    EXPECT_EQ(sigismember(&there, signal), 1);
    EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal));
    EXPECT_EQ(sigismember(&after, signal), 0);
  }
}

}  // namespace
}  // namespace weft
