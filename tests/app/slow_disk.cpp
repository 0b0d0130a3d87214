// Preloaded into a program, makes every fsync as slow as that of an overloaded file server: it takes
// WEFT_SLOW_DISK_MS longer.
#include <cstdlib>
#include <ctime>

#include <dlfcn.h>

extern "C" int fsync(int descriptor) {
  const char* const text = std::getenv("WEFT_SLOW_DISK_MS");
  const long ms = text == nullptr ? 0 : std::atol(text);
  const timespec pause{ms / 1000, ms % 1000 * 1000000};
  nanosleep(&pause, nullptr);
  using Sync = int (*)(int);
  static const auto system_fsync = reinterpret_cast<Sync>(dlsym(RTLD_NEXT, "fsync"));
  return system_fsync(descriptor);
}
