#include "support/mpi_main.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "weft/comm/mpi_communicator.hpp"
#include "weft/core/error.hpp"

#include "support/rank_order_printer.hpp"
#include "support/watchdog.hpp"

namespace weft {
namespace {

constexpr int kWatchdogExitCode = 3;
constexpr int kSkippedExitCode = 77;

const MpiSession* running_session = nullptr;
std::unique_ptr<Communicator> world;

/// Seconds without a test finishing after which the watchdog ends all ranks.
std::chrono::milliseconds patience() {
  const char* text = std::getenv("WEFT_TEST_WATCHDOG_S");
  if (text == nullptr) return std::chrono::seconds(100);
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(seconds > 0)) {
    throw UserError({"WEFT_TEST_WATCHDOG_S", text, "a number of seconds above 0", "correct it or unset it"});
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

void print_and_abort(const MpiSession& session, int rank, const std::string& doing) {
  fmt::print(stderr, "[ rank {} ] watchdog: {}\n", rank, doing);
  std::fflush(stderr);
  // The ranks' watchdogs wake together; each has a moment to say where its rank is before the first of them
  // ends all.
  std::this_thread::sleep_for(std::chrono::seconds(1));
  session.abort(kWatchdogExitCode);
}

int run_tests(const MpiSession& session) {
  const std::unique_ptr<Communicator> control = session.world();
  const int rank = control->rank();
  Watchdog watchdog(patience(), [&](const std::string& doing) { print_and_abort(session, rank, doing); });
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankOrderPrinter(*control, watchdog));
  std::int64_t worst = RUN_ALL_TESTS();
  control->all_reduce(std::span(&worst, 1), Reduction::max).wait();
  return static_cast<int>(worst);
}

/// Whether the program has to be skipped; rank 0 then says why. @collective
bool must_skip(const MpiSession& session) {
  const std::unique_ptr<Communicator> ranks = session.world();
  try {
    const std::string reason = reason_to_skip(session);
    collectively(*ranks, [&] {
      if (!reason.empty()) throw UserError(reason);
    });
    return false;
  } catch (const UserError& reason) {
    if (ranks->rank() == 0) fmt::print("skipped: {}\n", reason.what());
    std::fflush(stdout);
    ranks->barrier();
    return true;
  }
}

/// OpenMPI keeps what it takes at its start; the search for leaks is not to name it.
MpiSession begin_mpi(int& argc, char**& argv) {
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler disabler;
#endif
  return MpiSession(argc, argv);
}

}  // namespace

__attribute__((weak)) std::string reason_to_skip(const MpiSession&) { return ""; }

Communicator& test_world() {
  require(world != nullptr, "test_world is there only while tests run");
  return *world;
}

const MpiSession& test_session() {
  require(running_session != nullptr, "test_session is there only while tests run");
  return *running_session;
}

}  // namespace weft

int main(int argc, char** argv) {
  try {
    const weft::MpiSession session = weft::begin_mpi(argc, argv);
    testing::InitGoogleMock(&argc, argv);
    weft::running_session = &session;
    weft::world = session.world();
    const int code = weft::must_skip(session) ? weft::kSkippedExitCode : weft::run_tests(session);
    weft::world.reset();
    return code;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
