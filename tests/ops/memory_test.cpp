#include "weft/ops/memory.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Memory, ThePeakGrowsWithWhatIsTouchedAndStays) {
  const std::int64_t before = peak_resident_bytes();
  // More than the process has ever held, so that memory that was given back cannot serve it.
  const auto size = static_cast<std::size_t>(before) + (32u << 20);
  std::int64_t during = 0;
  {
    const std::vector<char> touched(size, 1);
    during = peak_resident_bytes();
    EXPECT_GE(during, static_cast<std::int64_t>(touched.size()));
    EXPECT_LT(during, before + static_cast<std::int64_t>(size) + (64 << 20));
  }
  // The kernel counts pages in batches, so that a peak is known to within some of them.
  EXPECT_GE(peak_resident_bytes(), during - (1 << 20));
}

}  // namespace
}  // namespace weft
