#include "io/background_work.hpp"

#include <exception>
#include <utility>

#include "weft/core/signals_blocked.hpp"

namespace weft {

std::string failure_of(const std::function<void()>& work) {
  try {
    work();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of an unknown type";
  }
}

void BackgroundWork::start(std::function<void()> work) {
  wait();
  done_.store(false, std::memory_order_relaxed);
  const SignalsBlocked blocked;
  try {
    std::packaged_task<void()> task([this, work = std::move(work)] { run(work); });
    ended_ = task.get_future();
    thread_ = std::thread(std::move(task));
  } catch (const std::exception& error) {
    failure_ = error.what();
    done_.store(true, std::memory_order_relaxed);
  }
}

void BackgroundWork::run(const std::function<void()>& work) noexcept {
  failure_ = failure_of(work);
  done_.store(true, std::memory_order_release);
}

void BackgroundWork::wait() {
  if (thread_.joinable()) thread_.join();
}

bool BackgroundWork::ends_within(std::chrono::seconds patience) {
  return !thread_.joinable() || ended_.wait_for(patience) == std::future_status::ready;
}

void BackgroundWork::abandon() { thread_.detach(); }

}  // namespace weft
