#include "weft/app/start_table.hpp"

#include <array>

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(StartTable, HasALineForEachRankUnderTheHeadings) {
  const std::array ranks{
      RankOnGpu{9, "node1", "NVIDIA H200", "GPU-1a", 0, 4000, 1'180'000'000, 140'000'000'000},
      RankOnGpu{10, "node12", "NVIDIA A100", "GPU-2bc", 4000, 1, 6'000'000, 39'504'000'000}};
  const std::vector<std::string> expected{
      "rank  host    GPU          UUID     rows          memory needed of free",
      "   9  node1   NVIDIA H200  GPU-1a   0 to 3999     1.18 GB of 140.00 GB",
      "  10  node12  NVIDIA A100  GPU-2bc  4000 to 4000  0.01 GB of 39.50 GB"};
  EXPECT_EQ(start_table(ranks), expected);
}

}  // namespace
}  // namespace weft
