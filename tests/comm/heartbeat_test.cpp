// Ranks that are processes of their own (heartbeat_probe.cpp), killed, stopped and stuck for real.

#include "weft/comm/heartbeat.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared_memory_world.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

/// A test that waits longer for a line has failed [ms].
constexpr int kLongest_ms = 60000;

/// A process that runs heartbeat_probe.
class Rank {
 public:
  explicit Rank(std::vector<std::string> arguments) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
    arguments.insert(arguments.begin(), WEFT_HEARTBEAT_PROBE);
    std::vector<char*> words;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    const int code = posix_spawn(&process_, words[0], &actions, nullptr, words.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    commands_ = in[1];
    lines_ = out[0];
    if (code != 0) throw std::runtime_error("no process");
  }
  ~Rank() {
    if (process_ > 0) {
      signal(SIGKILL);
      exit_code();
    }
    close_commands();
    close(lines_);
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  void signal(int number) const { kill(process_, number); }
  /// It has nothing more to do.
  void close_commands() {
    if (commands_ >= 0) close(std::exchange(commands_, -1));
  }

  /// Has a command obeyed.
  void tell(const std::string& command) {
    order(command);
    EXPECT_EQ(line(), "done " + command);
  }
  void order(const std::string& command) {
    const std::string text = command + "\n";
    EXPECT_EQ(write(commands_, text.data(), text.size()), std::ssize(text));
  }

  /// The next line it prints; empty where it ended, or printed none for so long.
  std::string line(int patience_ms = kLongest_ms) {
    while (unread_.find('\n') == std::string::npos) {
      pollfd entry{lines_, POLLIN, 0};
      std::array<char, 4096> bytes{};
      if (poll(&entry, 1, patience_ms) <= 0) return "";
      const ssize_t count = read(lines_, bytes.data(), bytes.size());
      if (count <= 0) return "";
      unread_.append(bytes.data(), static_cast<std::size_t>(count));
    }
    const std::size_t end = unread_.find('\n');
    const std::string found = unread_.substr(0, end);
    unread_.erase(0, end + 1);
    return found;
  }

  /// Waits for its end; 128 + the signal where one ended it.
  int exit_code() {
    int status = 0;
    waitpid(std::exchange(process_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t process_ = 0;
  int commands_ = -1;
  int lines_ = -1;
  std::string unread_;
};

/// Half a second from look to look; sections that nobody loses patience with, unless a test says otherwise.
constexpr Patience kPatient{.heartbeat = 5, .step = 1e3, .collective = 1e3, .checkpoint = 1e3, .read = 1e3};
/// Of these, a few looks.
constexpr std::chrono::milliseconds kSomeLooks{2000};

/// All ranks of a run.
class WatchedRun {
 public:
  /// Returns when all watch. Those in `mute` get no sockets from the system.
  explicit WatchedRun(int size, const Patience& patience = kPatient, const std::vector<int>& mute = {}) {
    const std::string memory = (folder_.path() / "memory").string();
    SharedMemoryWorld::prepare(memory, size);
    for (int number = 0; number < size; ++number) {
      std::vector<std::string> arguments{std::to_string(number), std::to_string(size), memory,
                                         std::ranges::count(mute, number) > 0 ? "no_sockets" : "sockets"};
      for (const double seconds :
           {patience.heartbeat, patience.step, patience.collective, patience.checkpoint, patience.read})
        arguments.push_back(std::to_string(seconds));
      ranks_.push_back(std::make_unique<Rank>(arguments));
    }
    if (!mute.empty()) warning_ = rank(0).line();
    for (const auto& each : ranks_) EXPECT_EQ(each->line(), "watched");
  }

  Rank& rank(int number) { return *ranks_[static_cast<std::size_t>(number)]; }
  /// What rank 0 said before it watched.
  const std::string& warning() const { return warning_; }

  void signal_all(int number) const {
    for (const auto& each : ranks_) each->signal(number);
  }

  /// The ranks end, all but those in `lost`: `leader` tells of it, the others only know.
  void expect_alarm(const std::vector<int>& lost, int leader, const std::string& words) {
    for (int number = 0; number < std::ssize(ranks_); ++number) {
      if (std::ranges::count(lost, number) > 0) continue;
      EXPECT_THAT(rank(number).line(),
                  AllOf(StartsWith(number == leader ? "leads: " : "follows: "), ContainsRegex(words)))
          << "on rank " << number;
      EXPECT_EQ(rank(number).exit_code(), 3) << "of rank " << number;
    }
  }

  /// None of these ranks raises an alarm for that long.
  void expect_quiet(const std::vector<int>& numbers, std::chrono::milliseconds time = kSomeLooks) {
    std::this_thread::sleep_for(time);
    for (const int number : numbers) EXPECT_EQ(rank(number).line(0), "") << "on rank " << number;
  }

 private:
  TemporaryFolder folder_;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::string warning_;
};

TEST(Heartbeat, ARankThatIsKilledIsNamedWithWhatItDid) {
  WatchedRun run(3);
  run.rank(1).tell("next");
  run.rank(1).tell("collective");
  run.expect_quiet({0, 1, 2});  // while its next sign tells of that
  run.rank(1).signal(SIGKILL);
  run.expect_alarm({1}, 0,
                   "rank 1 on [^ ]+: its process is gone; it was in train, step 42, section collective");
}

TEST(Heartbeat, AnyRankCanBeKilled) {
  for (int size = 2; size <= 4; ++size) {
    for (int victim = 0; victim < size; ++victim) {
      SCOPED_TRACE(fmt::format("rank {} of {}", victim, size));
      WatchedRun run(size);
      run.rank(victim).signal(SIGKILL);
      run.expect_alarm({victim}, victim == 0 ? 1 : 0,
                       fmt::format("rank {} on [^ ]+: its process is gone", victim));
    }
  }
}

TEST(Heartbeat, AnyRankThatIsStoppedIsNamed) {
  Patience patience = kPatient;
  patience.heartbeat = 3;
  for (int victim = 0; victim < 3; ++victim) {
    SCOPED_TRACE(victim);
    WatchedRun run(3, patience);
    run.rank(victim).signal(SIGSTOP);
    run.expect_alarm({victim}, victim == 0 ? 1 : 0,
                     fmt::format("rank {} on [^ ]+: no sign of life for [34] s; it was in", victim));
  }
}

TEST(Heartbeat, ARankThatIsStoppedForLessThanThePatienceIsNone) {
  WatchedRun run(3);
  run.rank(1).signal(SIGSTOP);
  run.expect_quiet({0, 1, 2});
  run.rank(1).signal(SIGCONT);
  run.expect_quiet({0, 1, 2});
}

TEST(Heartbeat, AJobThatIsSuspendedAndResumedGoesOn) {
  Patience patience = kPatient;
  patience.heartbeat = 2;
  for (const int first : {0, 2}) {
    SCOPED_TRACE(first);
    WatchedRun run(3, patience);
    run.signal_all(SIGSTOP);
    run.expect_quiet({0, 1, 2}, std::chrono::milliseconds(4000));
    run.rank(first).signal(SIGCONT);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the others come a little later
    run.signal_all(SIGCONT);
    run.expect_quiet({0, 1, 2});
    run.rank(1).signal(SIGKILL);  // and are watched as before
    run.expect_alarm({1}, 0, "rank 1 on [^ ]+: its process is gone");
  }
}

TEST(Heartbeat, ARankThatIsStuckInAStepIsNamed) {
  Patience patience = kPatient;
  patience.step = 4;
  WatchedRun run(3, patience);
  run.rank(0).tell("collective");
  run.rank(1).tell("collective");
  run.expect_alarm(
      {}, 0, "rank 2 on [^ ]+: [45] s in train, step 41, section step, which is more than patience.step");
}

TEST(Heartbeat, RanksThatWaitForOneThatReadsAreNotStuck) {
  WatchedRun run(3, {.heartbeat = 5, .step = 4, .collective = 4, .checkpoint = 1e3, .read = 1e3});
  run.rank(0).tell("collective");
  run.rank(1).tell("read");
  run.rank(2).tell("collective");
  run.expect_quiet({0, 1, 2}, std::chrono::milliseconds(7000));
  run.rank(1).tell("step");
  run.expect_alarm({}, 0, "which is more than patience.(step|collective) allows");
}

TEST(Heartbeat, ARankAloneWatchesItself) {
  Patience patience = kPatient;
  patience.checkpoint = 2;
  WatchedRun run(1, patience);
  run.rank(0).tell("checkpoint");
  run.expect_alarm({}, 0, "rank 0 on [^ ]+: [23] s in train, step 41, section checkpoint");
}

TEST(Heartbeat, AnOrderlyEndIsNoAlarm) {
  for (int size = 1; size <= 4; ++size) {
    for (const bool backwards : {false, true}) {
      SCOPED_TRACE(size);
      WatchedRun run(size);
      for (int k = 0; k < size; ++k) run.rank(backwards ? size - 1 - k : k).tell("end");
      for (int k = 0; k < size; ++k) {
        run.rank(k).close_commands();
        EXPECT_EQ(run.rank(k).line(), "");
        EXPECT_EQ(run.rank(k).exit_code(), 0);
      }
    }
  }
}

TEST(Heartbeat, RanksThatFailTogetherAreNoAlarm) {
  WatchedRun run(3);
  for (int number = 0; number < 3; ++number) run.rank(number).order("throw");
  for (int number = 0; number < 3; ++number) {
    EXPECT_EQ(run.rank(number).line(), "threw as told");
    EXPECT_EQ(run.rank(number).exit_code(), 2);
  }
}

TEST(Heartbeat, WhoIsEndedAfterOneRankLeftIsNoAlarm) {
  for (const int leaver : {0, 1}) {
    SCOPED_TRACE(leaver);
    WatchedRun run(3);
    run.rank(leaver).order("throw");
    EXPECT_EQ(run.rank(leaver).line(), "threw as told");
    const int other = 1 - leaver;
    run.expect_quiet({other, 2});
    run.rank(other).signal(SIGKILL);  // as MPI_Abort has the launcher do
    run.expect_quiet({2});
    run.rank(2).tell("end");
  }
}

TEST(Heartbeat, ARankThatCannotConnectIsNotWatchedAndTheOthersAre) {
  WatchedRun run(4, kPatient, {2});
  EXPECT_THAT(run.warning(),
              ContainsRegex("not watched over, .*TCP.* rank 0 on [^ ]+ .*: rank 2 on [^ ,]+; "));
  run.rank(2).signal(SIGKILL);
  run.expect_quiet({0, 1, 3});
  run.rank(3).signal(SIGKILL);
  run.expect_alarm({2, 3}, 0, "rank 3 on [^ ]+: its process is gone");
}

TEST(Heartbeat, WithoutAPlaceToConnectToNobodyIsWatched) {
  WatchedRun run(3, kPatient, {0});
  EXPECT_THAT(run.warning(), ContainsRegex("not watched over, .*: rank 1 on [^ ,]+, rank 2 on [^ ,]+; "));
  run.rank(1).signal(SIGKILL);
  run.expect_quiet({0, 2});
  run.rank(0).tell("end");
  run.rank(2).tell("end");
}

TEST(Heartbeat, IsHarmlessToStartAndEndAtOnce) {
  for (int k = 0; k < 50; ++k) {
    std::atomic<int> alarms = 0;
    {
      const Heartbeat heartbeat(*make_self_communicator(), kPatient, [&](const Alarm&) { ++alarms; });
    }
    EXPECT_EQ(alarms, 0);
  }
}

TEST(Heartbeat, AnAlarmComesOnce) {
  std::atomic<int> alarms = 0;
  Patience patience;
  patience.heartbeat = 0.1;
  patience.step = 1e-6;
  {
    const Heartbeat heartbeat(*make_self_communicator(), patience, [&](const Alarm& alarm) {
      EXPECT_TRUE(alarm.leads);
      EXPECT_THAT(alarm.words, HasSubstr("section step"));
      alarms += 1;
      alarms.notify_one();
    });
    alarms.wait(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(alarms, 1);
}

}  // namespace
}  // namespace weft
