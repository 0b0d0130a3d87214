#include "support/watchdog.hpp"

#include <utility>

namespace weft {

Watchdog::Watchdog(std::chrono::milliseconds patience, std::function<void(const std::string&)> bark)
    : patience_(patience), bark_(std::move(bark)), thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::report(std::string now_doing) {
  {
    const std::lock_guard lock(mutex_);
    doing_ = std::move(now_doing);
    ++reports_;
  }
  changed_.notify_one();
}

void Watchdog::add(const std::string& remark) {
  const std::lock_guard lock(mutex_);
  doing_ += remark;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    const std::uint64_t seen = reports_;
    if (changed_.wait_for(lock, patience_, [&] { return stopped_ || reports_ != seen; })) continue;
    const std::string doing = doing_;
    lock.unlock();
    bark_(doing);
    return;
  }
}

}  // namespace weft
