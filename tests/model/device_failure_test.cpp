#include "weft/model/device_failure.hpp"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <c10/util/Exception.h>

namespace weft {
namespace {

std::string words_of_lack(const std::string& message) {
  try {
    TORCH_CHECK_WITH(OutOfMemoryError, false, message);
  } catch (const std::exception& error) {
    return words_of_device_failure(error).value_or("");
  }
  return "";
}

TEST(DeviceFailure, MemoryThatIsUsedUpIsToldInALine) {
  using testing::StartsWith;
  EXPECT_THAT(
      words_of_lack("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 80 GiB"),
      StartsWith("CUDA out of memory. Tried to allocate 2.50 GiB; start more ranks"));
  EXPECT_THAT(words_of_lack("CUDA out of memory.\nMore"), StartsWith("CUDA out of memory.; start"));
  EXPECT_THAT(words_of_lack("no more"), StartsWith("no more; start"));
}

TEST(DeviceFailure, ADeviceThatFailedIsToldInALine) {
  const c10::AcceleratorError fault({__func__, __FILE__, 1}, 214,
                                    "CUDA error: uncorrectable ECC error\nCUDA kernel errors ...");
  EXPECT_THAT(words_of_device_failure(fault).value_or(""),
              testing::StartsWith("CUDA error: uncorrectable ECC error; see whether nvidia-smi"));
}

TEST(DeviceFailure, OtherErrorsAreNone) {
  EXPECT_FALSE(words_of_device_failure(std::runtime_error("CUDA out of memory")));
  try {
    TORCH_CHECK(false, "sizes differ");
  } catch (const std::exception& error) {
    EXPECT_FALSE(words_of_device_failure(error));
  }
}

}  // namespace
}  // namespace weft
