#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "weft/comm/heartbeat.hpp"
#include "weft/core/log.hpp"

#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(HeartbeatOfAWorld, RanksFindEachOtherAndPartInOrder) {
  const TemporaryFolder folder;
  log_to_file(folder.path() / "log");
  std::atomic<int> alarms = 0;
  for (int k = 0; k < 5; ++k) {
    const Heartbeat heartbeat(test_world(), {.heartbeat = 10}, [&](const Alarm&) { ++alarms; });
    if (k % 2 == 0) test_world().barrier();
  }
  test_world().barrier();
  log_to_file("/dev/null");
  EXPECT_EQ(alarms, 0);
  EXPECT_EQ(text_of(folder.path() / "log"), "") << "all are watched over";
}

TEST(HeartbeatOfAWorld, BringsNewsOfAllRanksToTheFirst) {
  const int rank = test_world().rank();
  const auto board = std::make_shared<RankBoard>();
  const MemoryGauge memory = [rank]() -> MemoryUse { return {rank + 1, 20, 30, 40}; };
  {
    const Heartbeat heartbeat(test_world(), {.heartbeat = 1}, [](const Alarm&) {}, {memory, board});
    note_stage("train");
    note_step(100 + rank);
    // The watchdog ends a test in which this never comes true.
    const auto all_heard = [&] {
      const auto news = board->news();
      return std::ssize(news) == test_world().size() &&
             std::ranges::all_of(news, [](const auto& of_rank) { return of_rank.second.step >= 100; });
    };
    while (rank == 0 && !all_heard()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    test_world().barrier();
  }
  const auto news = board->news();
  if (rank != 0) {
    EXPECT_TRUE(news.empty());
    return;
  }
  for (const auto& [other, of_rank] : news) {
    EXPECT_EQ(of_rank.step, 100 + other);
    EXPECT_EQ(of_rank.stage, "train");
    EXPECT_EQ(of_rank.memory.resident, other + 1);
    EXPECT_EQ(of_rank.memory.machine_total, 40);
    EXPECT_GT(of_rank.heard_at, 1.7e9);
  }
}

}  // namespace
}  // namespace weft
