#include "report/metric_rows.hpp"

#include <map>
#include <stdexcept>

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

const json of_closed_form = json::parse(R"({
  "connectivity": {"r2": 1.0},
  "types": [{"cluster": 0, "neurons": 7, "tau": 0.5, "tau_error": 0.00002, "s": 2.0, "misfit": 0.0001,
             "true_type": 3, "true_tau": 0.5, "true_s": 2.0},
            {"cluster": 1, "neurons": 1, "s": 1.0}],
  "identifiability": {"verdict": "limited", "warnings": ["3 silent neurons", "few frames"], "frames": 500},
  "solver": {"form": "plain", "psi_residuals": [0.5, 0.25], "row_residuals": [0.125], "seconds": 3.5,
             "fallbacks": ["went to double precision"],
             "phases": [{"name": "a phase", "seconds": 1.5}, {"name": "b phase", "seconds": 2.0, "tflop": 0.5}]}})");

const ReportTable& table_of(const std::vector<ReportTable>& tables, const std::string& heading) {
  for (const ReportTable& table : tables)
    if (table.heading.starts_with(heading)) return table;
  throw std::runtime_error("no table " + heading);
}

TEST(MetricTables, PutTheTypesIntoWords) {
  const auto tables = metric_tables(of_closed_form);
  const auto& rows = table_of(tables, "Neuron types").rows;
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].name, "cluster 0");
  EXPECT_EQ(rows[0].value, "τ = 0.5 ± 2e-05, s = 2");
  EXPECT_EQ(rows[0].note, "7 neurons; true type 3: τ = 0.5, s = 2; the fit leaves 0.0001 of φ");
  EXPECT_EQ(rows[1].value, "s = 1");
  EXPECT_EQ(rows[1].note, "1 neuron");
}

TEST(MetricTables, ListTheWarningsAndFallbacks) {
  const auto tables = metric_tables(of_closed_form);
  const auto& held = table_of(tables, "What the data hold").rows;
  EXPECT_THAT(held, testing::Contains(Field(&ReportRow::note, "3 silent neurons")));
  EXPECT_THAT(held, testing::Contains(Field(&ReportRow::note, "few frames")));
  EXPECT_THAT(table_of(tables, "Solver").rows,
              testing::Contains(Field(&ReportRow::note, "went to double precision")));
}

TEST(MetricTables, GiveTimeAndRateOfEachPhase) {
  const auto tables = metric_tables(of_closed_form);
  const auto& phases = table_of(tables, "Solver, phase by phase").rows;
  ASSERT_EQ(phases.size(), 2U);
  EXPECT_EQ(phases[0].name, "b phase");
  EXPECT_EQ(phases[0].value, "2 s");
  EXPECT_EQ(phases[0].note, "0.5 TFLOP, 250 GFLOP/s");
  EXPECT_EQ(phases[1].note, "");
}

TEST(MetricTables, ShowNoRawArrays) {
  for (const ReportTable& table : metric_tables(of_closed_form)) {
    for (const ReportRow& row : table.rows) {
      EXPECT_EQ(row.value.find('['), std::string::npos) << row.name;
      EXPECT_EQ(row.name.find("residuals"), std::string::npos) << row.name;
    }
  }
}

TEST(HeadlineTiles, SayWhereTheDataHoldNoFullAnswer) {
  EXPECT_EQ(headline_tiles(of_closed_form).back().value, "a limited answer");
  json metrics_of_nothing = of_closed_form;
  metrics_of_nothing["identifiability"]["verdict"] = "none";
  EXPECT_EQ(headline_tiles(metrics_of_nothing).back().value, "no answer");
  metrics_of_nothing["identifiability"]["verdict"] = "good";
  EXPECT_EQ(headline_tiles(metrics_of_nothing).size(), 1U);
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
