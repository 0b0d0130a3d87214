#include "report/metric_rows.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace weft {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::Field;

const json metrics = json::parse(R"({
  "connectivity": {"r2": 0.998713, "slope": 1.0203, "r2_strict": 0.9956},
  "clusters": {"count": 4, "accuracy": 1.0},
  "timing": {"train_s": 12.5, "train_step_ms": 0.25},
  "memory": {"peak_bytes_max_rank": 1610612736},
  "provenance": {"version": "9.9", "ranks": 3},
  "name": "quick"})");

TEST(HeadlineTiles, ShowTheNumbersThatAReaderLooksFor) {
  const auto tiles = headline_tiles(metrics);
  EXPECT_THAT(tiles, ElementsAre(Field(&ReportRow::value, "0.9987"), Field(&ReportRow::value, "1.0203"),
                                 Field(&ReportRow::value, "0.9956"), Field(&ReportRow::value, "4")));
  EXPECT_EQ(tiles.back().note, "accuracy 1");
}

TEST(HeadlineTiles, KnowNoNegativeZero) {
  const auto tiles = headline_tiles(json::parse(R"({"connectivity": {"r2": -0.00004, "slope": -0.00006}})"));
  EXPECT_THAT(tiles, ElementsAre(Field(&ReportRow::value, "0.0000"), Field(&ReportRow::value, "-0.0001")));
}

TEST(HeadlineTiles, LeaveOutWhatIsUnknown) {
  const auto tiles =
      headline_tiles(json::parse(R"({"clusters": {"count": 2}, "connectivity": {"r2": null}})"));
  ASSERT_EQ(tiles.size(), 1U);
  EXPECT_EQ(tiles[0].value, "2");
}

TEST(MetricTables, HoldEveryValueOnceUnderItsOwnName) {
  std::map<std::string, std::string> values;
  std::size_t rows = 0;
  for (const ReportTable& table : metric_tables(metrics))
    for (const ReportRow& row : table.rows) {
      values[row.name] = row.value;
      ++rows;
    }
  const std::map<std::string, std::string> expected{{"connectivity.r2", "0.998713"},
                                                    {"connectivity.slope", "1.0203"},
                                                    {"connectivity.r2_strict", "0.9956"},
                                                    {"clusters.count", "4"},
                                                    {"clusters.accuracy", "1"},
                                                    {"timing.train_s", "12.5 s"},
                                                    {"timing.train_step_ms", "0.25 ms"},
                                                    {"memory.peak_bytes_max_rank", "1.5 GiB"},
                                                    {"provenance.version", "9.9"},
                                                    {"provenance.ranks", "3"},
                                                    {"name", "quick"}};
  EXPECT_EQ(values, expected);
  EXPECT_EQ(rows, expected.size());
}

TEST(MetricTables, SeparateResultsFromTimeAndFromProvenance) {
  const auto tables = metric_tables(metrics);
  ASSERT_EQ(tables.size(), 3U);
  EXPECT_EQ(tables[0].rows.front().name, "connectivity.r2");
  EXPECT_NE(tables[0].rows.front().note, "");
  EXPECT_EQ(tables[1].rows.size(), 3U);
  EXPECT_EQ(tables[2].rows.size(), 3U);
}

}  // namespace
}  // namespace weft
