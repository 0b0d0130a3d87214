#include "io/background_work.hpp"

#include <csignal>
#include <exception>
#include <utility>

namespace weft {
namespace {

/// A thread that is made while this lives gets no signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

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
    thread_ = std::thread([this, work = std::move(work)] { run(work); });
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

}  // namespace weft
