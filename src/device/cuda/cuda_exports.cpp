// The functions that libweft_cuda.so shows (src/device/cuda_library_file.hpp loads them).

#include <cstddef>
#include <cstdio>
#include <string>

#include "weft/core/version.hpp"

#include "device/cuda/cuda_device.hpp"

#define WEFT_EXPORT extern "C" __attribute__((visibility("default")))

/// What it was built from, as the program says it of itself.
WEFT_EXPORT const char* weft_cuda_build() {
  static const std::string build = weft::version_line();
  return build.c_str();
}

/// The caller deletes it. @throws weft::UserError where it cannot be used.
WEFT_EXPORT weft::Device* weft_open_cuda_device(int ordinal) {
  return weft::make_cuda_device(ordinal).release();
}

/// How many there are; where none, `why`, of `size` bytes, gets the reason.
WEFT_EXPORT int weft_count_cuda_devices(char* why, std::size_t size) {
  std::string reason;
  const int count = weft::count_cuda_devices(reason);
  std::snprintf(why, size, "%s", reason.c_str());
  return count;
}
