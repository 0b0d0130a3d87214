#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace weft {

/// Ends the program when nothing was reported to it for too long, rather than let a deadlock hold the ranks
/// forever.
class Watchdog {
 public:
  /// `bark` is called on the watchdog's own thread with what was reported last, `patience` after that report.
  Watchdog(std::chrono::milliseconds patience, std::function<void(const std::string&)> bark);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Says what begins now, and that all before it is done.
  void report(std::string now_doing);
  /// Adds to what was reported last, without new patience.
  void add(const std::string& remark);

 private:
  void watch();

  std::chrono::milliseconds patience_;
  std::function<void(const std::string&)> bark_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string doing_;
  std::uint64_t reports_ = 0;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace weft
