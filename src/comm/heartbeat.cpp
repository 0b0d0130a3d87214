#include "weft/comm/heartbeat.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "weft/core/log.hpp"
#include "weft/core/signals_blocked.hpp"

#include "heartbeat_judge.hpp"
#include "heartbeat_line.hpp"
#include "heartbeat_watch.hpp"

namespace weft {
namespace {

std::string own_host() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unknown host";
}

/// Which ranks are connected with rank 0; rank 0 counts as such. @collective
std::vector<bool> gather_connected(Communicator& world, bool own) {
  const std::vector<double> numbers = gather_numbers(world, own ? 1 : 0);
  return {numbers.begin(), numbers.end()};
}

void warn_of_unwatched(const std::vector<std::string>& hosts, const std::vector<bool>& connected) {
  std::vector<std::string> names;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    if (!connected[rank]) names.push_back(fmt::format("rank {} on {}", rank, hosts[rank]));
  }
  if (names.empty()) return;
  log_warning(
      "not watched over, for want of a TCP connection with rank 0 on {} (a firewall?): {}; should one of "
      "them "
      "die or hang, it is for the launcher to end the run",
      hosts.front(), fmt::join(names, ", "));
}

/// Who tells the user where rank 0 is lost: the first of the others and, as the whole machine may be lost,
/// the first on any other.
bool leads_without_first(int rank, const std::vector<std::string>& hosts,
                         const std::vector<bool>& connected) {
  const auto is_first = [&](bool elsewhere) {
    for (std::size_t other = 1; other < hosts.size(); ++other) {
      if (connected[other] && (!elsewhere || hosts[other] != hosts[0]))
        return static_cast<int>(other) == rank;
    }
    return false;
  };
  return is_first(false) || is_first(true);
}

/// @collective
std::unique_ptr<Watch> meet_as_first(Communicator& world, const std::vector<std::string>& hosts,
                                     const Patience& patience, const NewsOfRanks& news) {
  Reception reception(world.size());
  broadcast_text(world, reception.invitation().text());
  const std::vector<bool> connected = gather_connected(world, true);
  warn_of_unwatched(hosts, connected);
  std::map<int, Line> lines = reception.close();
  // One that gave up waiting for the answer may have come in after all.
  std::erase_if(lines, [&](const auto& line) { return !connected[static_cast<std::size_t>(line.first)]; });
  return watch_over_all(std::move(lines), hosts, patience, news);
}

/// Null where rank 0 cannot be reached. @collective
std::unique_ptr<Watch> meet_first(Communicator& world, const std::vector<std::string>& hosts,
                                  const Patience& patience, const NewsOfRanks& news) {
  const int rank = world.rank();
  std::optional<Line> line = reach(Invitation::of(broadcast_text(world, "")), rank);
  const std::vector<bool> connected = gather_connected(world, line.has_value());
  if (!line) return nullptr;
  return watch_over_first(std::move(*line), hosts, patience, news, rank,
                          leads_without_first(rank, hosts, connected));
}

/// @collective
std::unique_ptr<Watch> meet(Communicator& world, const Patience& patience, const NewsOfRanks& news) {
  const std::vector<std::string> hosts = gather_texts(world, own_host());
  if (world.size() == 1) return watch_over_all({}, hosts, patience, news);
  return world.rank() == 0 ? meet_as_first(world, hosts, patience, news)
                           : meet_first(world, hosts, patience, news);
}

}  // namespace

/// Looks once an interval until it ends, or until there is an alarm.
class Heartbeat::Thread {
 public:
  Thread(std::unique_ptr<Watch> watch, double interval, OnAlarm on_alarm)
      : watch_(std::move(watch)), interval_(interval), on_alarm_(std::move(on_alarm)) {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  }

  ~Thread() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void run() {
    std::optional<Alarm> alarm;
    while (!alarm) {
      if (ends_within_an_interval()) return watch_->leave();
      alarm = watch_->look();
    }
    // The launcher may end all as soon as one rank does: the one that leads is to speak before that.
    if (!alarm->leads && ends_within_an_interval()) return;
    on_alarm_(*alarm);
  }

  bool ends_within_an_interval() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::duration<double>(interval_), [&] { return ending_; });
  }

  std::unique_ptr<Watch> watch_;
  double interval_;  ///< [s]
  OnAlarm on_alarm_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;
};

Heartbeat::Heartbeat(Communicator& world, const Patience& patience, OnAlarm on_alarm,
                     const NewsOfRanks& news) {
  std::unique_ptr<Watch> watch = meet(world, patience, news);
  if (watch) thread_ = std::make_unique<Thread>(std::move(watch), interval_of(patience), std::move(on_alarm));
}

Heartbeat::~Heartbeat() = default;

}  // namespace weft
