#include "weft/ops/memory.hpp"

#include <fstream>
#include <limits>
#include <string>

#include <malloc.h>

#include "weft/core/error.hpp"

namespace weft {

std::int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word; status.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    std::int64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return 1024 * kibibytes;
  }
  throw InternalError("no VmHWM in /proc/self/status");
}

void return_freed_memory() { mallopt(M_MMAP_THRESHOLD, 1 << 20); }

}  // namespace weft
