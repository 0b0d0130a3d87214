#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

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

}  // namespace
}  // namespace weft
