#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <thread>

namespace weft {

/// One piece of work at a time on a thread of its own. What it throws ends as words, never the program.
/// Signals go to the other threads, so that no call to the system is broken off here.
class BackgroundWork {
 public:
  BackgroundWork() = default;
  ~BackgroundWork() { wait(); }
  BackgroundWork(const BackgroundWork&) = delete;
  BackgroundWork& operator=(const BackgroundWork&) = delete;

  /// Waits for the work before it, if any.
  void start(std::function<void()> work);
  /// Cheap; true where there is none.
  bool done() const { return done_.load(std::memory_order_acquire); }
  /// Returns when the work is done.
  void wait();
  /// Waits for so long. Whether the work is done.
  bool ends_within(std::chrono::seconds patience);
  /// Leaves the work to itself, and with it this object: its thread uses it until the work is done.
  void abandon();
  /// Why the work that was waited for last failed; empty where it did not.
  const std::string& failure() const { return failure_; }

 private:
  void run(const std::function<void()>& work) noexcept;

  std::thread thread_;
  std::future<void> ended_;
  std::atomic<bool> done_{true};
  std::string failure_;
};

/// What `work` throws, in words; empty where it throws nothing.
std::string failure_of(const std::function<void()>& work);

}  // namespace weft
