#include "weft/model/out_of_memory.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

#include <c10/util/Exception.h>

namespace weft {
namespace {

std::optional<std::string> words_of(const std::string& message) {
  try {
    TORCH_CHECK_WITH(OutOfMemoryError, false, message);
  } catch (const std::exception& error) {
    return words_of_out_of_memory(error);
  }
  return std::nullopt;
}

TEST(OutOfMemory, IsToldInALine) {
  EXPECT_EQ(words_of("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 80 GiB"),
            "CUDA out of memory. Tried to allocate 2.50 GiB");
  EXPECT_EQ(words_of("CUDA out of memory.\nMore"), "CUDA out of memory.");
  EXPECT_EQ(words_of("no more"), "no more");
}

TEST(OutOfMemory, OtherErrorsAreNone) {
  EXPECT_FALSE(words_of_out_of_memory(std::runtime_error("CUDA out of memory")));
  try {
    TORCH_CHECK(false, "sizes differ");
  } catch (const std::exception& error) {
    EXPECT_FALSE(words_of_out_of_memory(error));
  }
}

}  // namespace
}  // namespace weft
