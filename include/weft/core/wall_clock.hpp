#pragma once

#include <chrono>

namespace weft {

/// Seconds since 1970, by this machine's clock.
inline double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace weft
