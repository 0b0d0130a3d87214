#include "weft/core/activity_scale.hpp"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(ActivityScale, IsOneAndAHalfDeviationsRounded) {
  EXPECT_EQ(activity_scale_of(8.6), 13);  // 12.9
  EXPECT_EQ(activity_scale_of(8.9), 13);  // 13.35
}

TEST(ActivityScale, RoundsHalvesToEven) {
  EXPECT_EQ(activity_scale_of(1), 2);  // 1.5
  EXPECT_EQ(activity_scale_of(3), 4);  // 4.5
  EXPECT_EQ(activity_scale_of(5), 8);  // 7.5
}

TEST(ActivityScale, OfWeakActivityIsNotRounded) {
  EXPECT_EQ(activity_scale_of(0.25), 0.375);
  EXPECT_EQ(activity_scale_of(0.375), 1);  // 0.5625
}

}  // namespace
}  // namespace weft
