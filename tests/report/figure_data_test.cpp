#include "weft/report/figure_data.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weft/io/files.hpp"

#include "made_up_run.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

TEST(FigureData, HoldsWhatTheEvaluationWrote) {
  const TemporaryFolder folder;
  const FigureData written = made_up_figures(true);
  write_evaluation(folder.path() / "evaluation.h5", written);

  const FigureData read = read_evaluation(folder.path() / "evaluation.h5");

  EXPECT_EQ(read.series.time, written.series.time);
  EXPECT_EQ(read.series.neuron, written.series.neuron);
  EXPECT_EQ(read.series.activity.rows, 60);
  EXPECT_EQ(read.series.activity.values, written.series.activity.values);
  EXPECT_EQ(read.connectivity.index, written.connectivity.index);
  EXPECT_EQ(read.connectivity.truth.values, written.connectivity.truth.values);
  EXPECT_EQ(read.connectivity.learned.values, written.connectivity.learned.values);
  EXPECT_EQ(read.connectivity.inset_truth.values, written.connectivity.inset_truth.values);
  EXPECT_EQ(read.connectivity.inset_learned.values, written.connectivity.inset_learned.values);
  ASSERT_TRUE(read.comparison);
  EXPECT_EQ(read.comparison->edges, written.comparison->edges);
  EXPECT_EQ(read.comparison->counts.values, written.comparison->counts.values);
  EXPECT_EQ(read.comparison->outside, 17);
  EXPECT_EQ(read.latents.a.values, written.latents.a.values);
  EXPECT_EQ(read.latents.cluster, written.latents.cluster);
  EXPECT_EQ(read.latents.type, written.latents.type);
  EXPECT_EQ(read.phi.neuron, written.phi.neuron);
  EXPECT_EQ(read.phi.learned.values, written.phi.learned.values);
  EXPECT_EQ(read.phi.truth.values, written.phi.truth.values);
  EXPECT_EQ(read.psi.learned.rows, 1);
  EXPECT_EQ(read.psi.learned.values, written.psi.learned.values);
  EXPECT_EQ(read.psi.truth, written.psi.truth);
}

TEST(FigureData, IsEmptyWhereTheTruthIsUnknown) {
  const TemporaryFolder folder;
  write_evaluation(folder.path() / "evaluation.h5", made_up_figures(false));

  const FigureData read = read_evaluation(folder.path() / "evaluation.h5");

  EXPECT_TRUE(read.connectivity.truth.empty());
  EXPECT_TRUE(read.connectivity.inset_truth.empty());
  EXPECT_FALSE(read.comparison);
  EXPECT_TRUE(read.latents.type.empty());
  EXPECT_TRUE(read.phi.truth.empty());
  EXPECT_TRUE(read.psi.truth.empty());
}

TEST(FigureData, NamesTheArrayWhoseShapeIsWrong) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  data.latents.cluster.pop_back();
  write_evaluation(folder.path() / "evaluation.h5", data);

  expect_user_error([&] { read_evaluation(folder.path() / "evaluation.h5"); },
                    {"latents/a", "(24, 2)", "23 x 2", "evaluate the run again"});
}

TEST(FigureData, NamesThePsiThatDoesNotFitItsPoints) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  data.psi.learned = {2, 30, std::vector<double>(60)};
  write_evaluation(folder.path() / "evaluation.h5", data);

  expect_user_error([&] { read_evaluation(folder.path() / "evaluation.h5"); },
                    {"psi/learned", "(2, 30)", "61 values a row"});
}

TEST(FigureData, NamesTheFileThatIsMissing) {
  const TemporaryFolder folder;
  expect_user_error([&] { read_evaluation(folder.path() / "evaluation.h5"); }, {"evaluation.h5"});
}

TEST(LossCurve, ComesFromTheNewestCheckpoint) {
  const TemporaryFolder folder;
  const LossCurve written = *made_up_figures(false).loss;
  write_loss_checkpoint(folder.path(), written);

  const auto read = read_loss_history(folder.path());

  ASSERT_TRUE(read);
  EXPECT_EQ(read->step, written.step);
  EXPECT_EQ(read->total, written.total);
  EXPECT_EQ(read->data, written.data);
  EXPECT_EQ(read->phi_zero, written.phi_zero);
  EXPECT_EQ(read->psi_monotone, written.psi_monotone);
}

TEST(SolverRecord, HoldsResidualsAndThePhasesWithTheLongestFirst) {
  const auto record = solver_record(nlohmann::json::parse(R"({"solver": {
      "psi_residuals": [0.5, 0.1], "psi_dampings": [0.01, 0.001], "row_residuals": [1e-6],
      "phases": [{"name": "a", "seconds": 1}, {"name": "b", "seconds": 3, "tflop": 0.2}, {"name": "c", "seconds": 2}]}})"));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->psi_residuals, (std::vector<double>{0.5, 0.1}));
  EXPECT_EQ(record->psi_dampings, (std::vector<double>{0.01, 0.001}));
  EXPECT_EQ(record->row_residuals, std::vector<double>{1e-6});
  ASSERT_EQ(record->phases.size(), 3U);
  EXPECT_EQ(record->phases[0].name, "b");
  EXPECT_EQ(record->phases[0].tflop, 0.2);
  EXPECT_EQ(record->phases[2].name, "a");
}

TEST(SolverRecord, IsAbsentForAMethodWithoutASolver) {
  EXPECT_FALSE(solver_record(nlohmann::json::parse(R"({"connectivity": {"r2": 1}})")));
}

TEST(LossCurve, IsAbsentWithoutACheckpoint) {
  const TemporaryFolder folder;
  EXPECT_FALSE(read_loss_history(folder.path() / "checkpoints"));
}

}  // namespace
}  // namespace weft
