#pragma once

#include <atomic>
#include <functional>
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
  /// Why the work that was waited for last failed; empty where it did not.
  const std::string& failure() const { return failure_; }

 private:
  void run(const std::function<void()>& work) noexcept;

  std::thread thread_;
  std::atomic<bool> done_{true};
  std::string failure_;
};

/// What `work` throws, in words; empty where it throws nothing.
std::string failure_of(const std::function<void()>& work);

}  // namespace weft
