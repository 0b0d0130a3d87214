#include <exception>
#include <utility>

#include "weft/comm/communicator.hpp"
#include "weft/core/log.hpp"

namespace weft {
namespace {

/// For places that must not throw; what failed here fails again, and is reported, at the next collective.
void wait_quietly(Pending& pending) noexcept {
  try {
    pending.wait();
  } catch (const std::exception& error) {
    log(LogLevel::error, error.what());
  }
}

}  // namespace

Pending& Pending::operator=(Pending&& other) noexcept {
  if (this == &other) return *this;
  wait_quietly(*this);
  wait_ = std::exchange(other.wait_, nullptr);
  return *this;
}

Pending::~Pending() { wait_quietly(*this); }

void Pending::wait() {
  if (const auto work = std::exchange(wait_, nullptr)) work();
}

}  // namespace weft
