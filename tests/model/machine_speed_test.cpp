#include "weft/model/machine_speed.hpp"

#include <gtest/gtest.h>

#include "weft/device/device.hpp"

namespace weft {
namespace {

// Between what the slowest machine that runs this does and what none does.
TEST(MeasureProducts, IsOfAProcessor) {
  const auto device = make_host_device();
  const double flops = measure_products(*device, c10::ScalarType::Float);
  EXPECT_GT(flops, 1e7);
  EXPECT_LT(flops, 1e15);
}

TEST(MeasureMemory, IsOfAMemory) {
  const auto device = make_host_device();
  const double bytes = measure_memory(*device);
  EXPECT_GT(bytes, 1e6);
  EXPECT_LT(bytes, 1e14);
}

}  // namespace
}  // namespace weft
