#include "weft/ops/run_metrics.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::Not;

class Metrics : public testing::Test {
 protected:
  std::shared_ptr<RankBoard> board = std::make_shared<RankBoard>();
  RunMetrics metrics{{"a \"named\" run",
                      "adam",
                      "0123",
                      "/runs/a",
                      "77",
                      300,
                      {{"node1", "H200", "GPU-1"}, {"node2", "", ""}}},
                     board};

  /// The value of a sample; NaN where it is not there.
  double value(const std::string& sample) const {
    const std::string text = "\n" + metrics.text();
    const std::size_t at = text.find("\n" + sample + " ");
    if (at == text.npos) return std::numeric_limits<double>::quiet_NaN();
    return std::stod(text.substr(at + sample.size() + 2));
  }
  bool has(const std::string& sample) const {
    return ("\n" + metrics.text()).find("\n" + sample + " ") != std::string::npos;
  }
  void report(const char* stage, std::int64_t done, std::int64_t total = 100, const char* unit = "steps") {
    metrics.progress({stage, done, total, unit, ""});
  }
};

TEST_F(Metrics, CountStepsFromWhereTheStageGoesOn) {
  report("simulate", 40);
  report("simulate", 60);
  report("train", 10);
  report("train", 11);
  report("train", 16);
  EXPECT_EQ(value("weft_simulated_steps_total"), 20);
  EXPECT_EQ(value("weft_steps_total"), 6);
  EXPECT_EQ(value("weft_step_seconds_count"), 6);
  EXPECT_EQ(value("weft_step_seconds_bucket{le=\"+Inf\"}"), 6);
  EXPECT_EQ(value("weft_stage_done{stage=\"train\",unit=\"steps\"}"), 16);
  EXPECT_EQ(value("weft_stage_goal{stage=\"train\",unit=\"steps\"}"), 100);
  EXPECT_EQ(value("weft_stage_done{stage=\"simulate\",unit=\"steps\"}"), 60);
}

TEST_F(Metrics, StepsThatAreDoneAgainCountAgain) {
  report("train", 0);
  report("train", 50);
  report("train", 20);  // sent back to a checkpoint
  report("train", 30);
  EXPECT_EQ(value("weft_steps_total"), 60);
}

TEST_F(Metrics, AreReadyWhenTrainingHasBegun) {
  EXPECT_FALSE(metrics.ready());
  report("simulate", 60);
  report("train", 0);
  EXPECT_FALSE(metrics.ready());
  EXPECT_EQ(value("weft_ready"), 0);
  report("train", 1, 100, "GFLOP");
  EXPECT_TRUE(metrics.ready());
  EXPECT_EQ(value("weft_ready"), 1);
  EXPECT_EQ(value("weft_steps_total"), 0) << "the closed form has none";
}

TEST_F(Metrics, HoldWhatALoopFinds) {
  EXPECT_FALSE(has("weft_gradient_norm")) << "nothing is made up";
  EXPECT_FALSE(has("weft_connectivity_r2"));
  const Measure found[] = {{"loss", "total", 0.5},      {"loss", "phi_zero", std::nan("")},
                           {"gradient_norm", "", 3},    {"residual_ratio", "", 1e-7},
                           {"solver_iteration", "", 4}, {"connectivity_r2", "", 0.999}};
  metrics.measured(found);
  EXPECT_EQ(value("weft_loss{term=\"total\"}"), 0.5);
  EXPECT_THAT(metrics.text(), HasSubstr("weft_loss{term=\"phi_zero\"} Nan")) << "as Prometheus reads it";
  EXPECT_EQ(value("weft_gradient_norm"), 3);
  EXPECT_EQ(value("weft_residual_ratio"), 1e-7);
  EXPECT_EQ(value("weft_solver_iteration"), 4);
  EXPECT_EQ(value("weft_connectivity_r2"), 0.999);
  const Measure again{"loss", "total", 0.25};
  metrics.measured(std::span(&again, 1));
  EXPECT_EQ(value("weft_loss{term=\"total\"}"), 0.25);
}

TEST_F(Metrics, ShowALossThatIsNotFiniteUntilThereIsAnother) {
  metrics.diverged();
  EXPECT_THAT(metrics.text(), HasSubstr("weft_loss{term=\"total\"} Nan"));
  EXPECT_EQ(value("weft_nonfinite_losses_total"), 1);
  const Measure next{"loss", "total", 0.25};
  metrics.measured(std::span(&next, 1));
  EXPECT_EQ(value("weft_loss{term=\"total\"}"), 0.25);
}

TEST_F(Metrics, OfStepsAreThoseOfTheirStage) {
  for (const char* stage : {"simulate", "evaluate"}) {
    report(stage, 0);
    report(stage, 4);
  }
  EXPECT_EQ(value("weft_simulated_steps_total"), 4);
  EXPECT_EQ(value("weft_steps_total"), 0);
}

TEST_F(Metrics, KnowTheirMeasures) {
  const Measure unknown{"no_such", "", 1};
  EXPECT_THROW(metrics.measured(std::span(&unknown, 1)), InternalError);
}

TEST_F(Metrics, CountCheckpoints) {
  EXPECT_FALSE(has("weft_checkpoint_last_success_timestamp_seconds"));
  metrics.checkpoints({}, {.saved = 0, .failures = 1});
  EXPECT_FALSE(has("weft_checkpoint_last_success_timestamp_seconds"));
  metrics.checkpoints({.saved = 0, .failures = 1}, {.saved = 2, .failures = 1, .last_seconds = 1.5});
  EXPECT_EQ(value("weft_checkpoints_total"), 2);
  EXPECT_EQ(value("weft_checkpoint_failures_total"), 1);
  EXPECT_EQ(value("weft_checkpoint_seconds"), 1.5);
  EXPECT_GT(value("weft_checkpoint_last_success_timestamp_seconds"), 1.7e9);
  EXPECT_EQ(value("weft_checkpoint_interval_seconds"), 300);
}

TEST_F(Metrics, TellOfRanks) {
  RankNews news;
  news.heard_at = 5;
  news.stage = "train";
  news.step = 1;
  news.memory = {10, 20, 30, 40};
  board->post(1, news);
  EXPECT_FALSE(has("weft_rank_step_seconds{rank=\"1\"}"));
  news.step = 3;
  news.own_seconds = 1;
  board->post(1, news);
  EXPECT_EQ(value("weft_rank_step_seconds{rank=\"1\"}"), 0.5);
  EXPECT_EQ(value("weft_rank_step{rank=\"1\"}"), 3);
  EXPECT_EQ(value("weft_rank_heartbeat_timestamp_seconds{rank=\"1\"}"), 5);
  EXPECT_EQ(value("weft_memory_bytes{kind=\"peak\",rank=\"1\"}"), 20);
  EXPECT_EQ(value("weft_memory_bytes{kind=\"machine_total\",rank=\"1\"}"), 40);
  EXPECT_EQ(value("weft_rank_info{gpu=\"H200\",hostname=\"node1\",rank=\"0\",uuid=\"GPU-1\"}"), 1);
  EXPECT_EQ(value("weft_rank_info{gpu=\"\",hostname=\"node2\",rank=\"1\",uuid=\"\"}"), 1);
}

TEST_F(Metrics, TellOfADeviceWhereThereIsOne) {
  EXPECT_THAT(metrics.text(), Not(HasSubstr("device_used")));
  metrics.device_memory(7, 9);
  EXPECT_EQ(value("weft_memory_bytes{kind=\"device_used\",rank=\"0\"}"), 7);
  EXPECT_EQ(value("weft_memory_bytes{kind=\"device_total\",rank=\"0\"}"), 9);
}

TEST_F(Metrics, LookUpStageAndPhases) {
  note_stage("train");
  { const InPhase forward(kPhaseForward); }
  EXPECT_EQ(value("weft_stage{stage=\"train\"}"), 1);
  EXPECT_EQ(value("weft_stage{stage=\"report\"}"), 0);
  EXPECT_GT(value("weft_phase_seconds_total{phase=\"forward\",stage=\"train\"}"), 0);
  EXPECT_EQ(value("weft_communication_bytes_total{operation=\"all_gather\"}"), 0);
}

TEST_F(Metrics, SayHowItEndedOnlyThen) {
  EXPECT_FALSE(has("weft_run_exit_code"));
  metrics.diverged();
  metrics.ended(75);
  EXPECT_EQ(value("weft_run_exit_code"), 75);
  EXPECT_EQ(value("weft_stage{stage=\"train\"}"), 0) << "none is under way";
  EXPECT_EQ(value("weft_nonfinite_losses_total"), 1);
}

TEST_F(Metrics, ReplaceWhatIsNoText) {
  const RunMetrics odd({"a", "adam", "", "/tmp/b\xff", "", 0, {{"node\xfe", "", ""}}}, board);
  EXPECT_THAT(odd.text(), HasSubstr("run_folder=\"/tmp/b\xEF\xBF\xBD\""));
  EXPECT_THAT(odd.text(), HasSubstr("hostname=\"node\xEF\xBF\xBD\""));
}

TEST_F(Metrics, AreNotReadyForWhatAnEarlierRunDid) {
  report("train", 40);
  EXPECT_FALSE(metrics.ready());
  report("train", 41);
  EXPECT_TRUE(metrics.ready());
}

TEST_F(Metrics, QuoteWhatIsNoPlainLabel) {
  EXPECT_THAT(metrics.text(), HasSubstr("name=\"a \\\"named\\\" run\",ranks=\"2\""));
}

}  // namespace
}  // namespace weft
