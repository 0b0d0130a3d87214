// Tests that fail, throw and hang on purpose; ctest looks at what the test main makes of them.

#include <stdexcept>

#include <gtest/gtest.h>

#include "support/mpi_main.hpp"

namespace weft {
namespace {

TEST(Probe, FailsOnAllButTheFirstRank) { EXPECT_EQ(test_world().rank(), 0) << "one of the later ranks"; }

TEST(Probe, ThrowsOnOneRank) {
  if (test_world().rank() == 1) throw std::runtime_error("thrown on one rank");
}

TEST(Probe, PassesAfterwards) { test_world().barrier(); }

TEST(Probe, HangsOnAllButOneRank) {
  if (test_world().rank() == 1) throw std::runtime_error("the others are left alone");
  test_world().barrier();
}

}  // namespace
}  // namespace weft
