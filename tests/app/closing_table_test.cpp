#include "app/closing_table.hpp"

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

std::string table(const std::vector<PhaseTime>& phases, const std::optional<MachineLimits>& limits = {},
                  const Traffic& traffic = {}) {
  return fmt::format("{}\n", fmt::join(closing_table(phases, traffic, limits), "\n"));
}

TEST(ClosingTable, HasStagesInOrderAndPhasesByTime) {
  EXPECT_EQ(
      table({{"", "other", 1, {}},
             {"train", "forward", 2, {8e9, 3e9}},
             {"train", "communication", 6.9, {}},
             {"report", "io", 0.1, {}}}),
      "where the time of rank 0 went:\n"
      "  stage     phase                           seconds   share   GFLOP/s of limit     GB/s of limit\n"
      "  start     other                              1.00   10.0%\n"
      "  train     communication                      6.90   69.0%\n"
      "  train     forward                            2.00   20.0%       4.0               1.5\n"
      "  report    io                                 0.10    1.0%\n"
      "  all                                         10.00  100.0%\n"
      "communicated: nothing, there is one rank\n");
}

TEST(ClosingTable, ComparesWithWhatTheMachineCanDo) {
  const std::string text = table({{"train", "forward", 2, {8e9, 3e9}}}, MachineLimits{8e9, 6e9});
  EXPECT_THAT(text, testing::HasSubstr("       4.0      50%      1.5      25%\n"));
  EXPECT_THAT(text,
              testing::HasSubstr("limits, measured just now: 8.0 GFLOP/s in matrix products, 6.0 GB/s of "
                                 "memory, a rank\n"));
}

TEST(ClosingTable, SumsUpWhatHardlyCounts) {
  const std::string text =
      table({{"train", "forward", 1000, {}}, {"train", "data", 0.4, {}}, {"report", "io", 0.3, {}}});
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("data")));
  EXPECT_THAT(text, testing::HasSubstr("  all       what is below 0.1%                 0.70    0.1%\n"));
  EXPECT_THAT(text, testing::HasSubstr("1000.70  100.0%\n"));
}

TEST(ClosingTable, TellsWhatWasCommunicated) {
  Traffic traffic;
  traffic.calls = {3, 0, 1, 0};
  traffic.bytes = {1500, 0, 2'000'000'000, 0};
  EXPECT_THAT(table({}, {}, traffic),
              testing::HasSubstr("communicated by rank 0: all_reduce 1.50 kB in 3 calls, reduce_scatter 2.00 "
                                 "GB in 1 calls\n"));
}

}  // namespace
}  // namespace weft
