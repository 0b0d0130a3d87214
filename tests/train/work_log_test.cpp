#include "weft/train/work_log.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "weft/core/section.hpp"

#include "support/scripted_control.hpp"

namespace weft {
namespace {

constexpr double kGiga = 1e9;

/// A log whose progress is kept.
struct Watched {
  std::vector<Progress> shown;
  Unattended control{[this](const Progress& progress) { shown.push_back(progress); }};
  WorkLog log{control};
};

TEST(WorkLog, PhasesAddUpByNameInTheOrderTheyWereFirstSeen) {
  Unattended nobody;
  WorkLog log(nobody);
  const auto nothing = [] {};
  log.phase("psi", 3, nothing);
  log.phase("gram", 10, nothing);
  log.phase("psi", 4, nothing);
  log.phase("rows", 0, nothing);
  log.phase("gram", 20, nothing);
  ASSERT_EQ(log.phases().size(), 3U);
  const std::vector<std::string> names{"psi", "gram", "rows"};
  const std::vector<double> flops{7, 30, 0};
  double seconds = 0;
  for (std::size_t k = 0; k < names.size(); ++k) {
    EXPECT_EQ(log.phases()[k].name, names[k]);
    EXPECT_EQ(log.phases()[k].flops, flops[k]);
    EXPECT_GT(log.phases()[k].seconds, 0);
    seconds += log.phases()[k].seconds;
  }
  EXPECT_EQ(log.flops(), 37);
  EXPECT_LE(seconds, log.seconds());
}

TEST(WorkLog, APhaseGivesWhatItsWorkGives) {
  Unattended nobody;
  WorkLog log(nobody);
  EXPECT_EQ(log.phase("psi", 1, [] { return 42; }), 42);
}

TEST(WorkLog, APhaseLastsUntilWhatItStartedIsDone) {
  std::vector<std::string> order;
  Unattended control([&](const Progress&) { order.push_back("booked"); });
  WorkLog log(control, [&] { order.push_back("settled"); });
  log.phase("psi", 0, [&] { order.push_back("started"); });
  log.phase("rows", 0, [&] {
    order.push_back("started");
    return 0;
  });
  const std::vector<std::string> once{"started", "settled", "booked"};
  EXPECT_EQ(std::vector(order.begin(), order.begin() + 3), once);
  EXPECT_EQ(std::vector(order.begin() + 3, order.end()), once);
}

TEST(WorkLog, APhaseThatThrowsIsBookedToo) {
  Unattended nobody;
  WorkLog log(nobody);
  EXPECT_THROW(log.phase("psi", 5, [] { throw std::runtime_error("no"); }), std::runtime_error);
  ASSERT_EQ(log.phases().size(), 1U);
  EXPECT_EQ(log.phases()[0].flops, 5);
}

TEST(WorkLog, ProgressNeverGoesBackNorPastTheTotal) {
  Watched watched;
  watched.log.expect_flops(10 * kGiga);
  watched.log.say("begins");
  for (int k = 0; k < 8; ++k) watched.log.phase("psi", 2.5 * kGiga, [] {});  // twice what was expected
  watched.log.expect_flops(30 * kGiga);
  watched.log.phase("rows", 1 * kGiga, [] {});
  ASSERT_EQ(watched.shown.size(), 10U);
  std::int64_t before = 0;
  for (const Progress& progress : watched.shown) {
    EXPECT_EQ(progress.stage, "train");
    EXPECT_EQ(progress.unit, "GFLOP");
    EXPECT_GE(progress.done, before);
    EXPECT_LT(progress.done, progress.total);  // there is more until it is finished
    before = progress.done;
  }
  EXPECT_EQ(watched.shown[0].done, 0);
  EXPECT_EQ(watched.shown[2].done, 5);
  EXPECT_EQ(watched.shown[2].total, 10);
  EXPECT_EQ(watched.shown.back().done, 21);
  EXPECT_EQ(watched.shown.back().total, 30);
}

TEST(WorkLog, WhatLedNowhereKeepsItsTimeButNotItsOperations) {
  Watched watched;
  watched.log.phase("data", 0, [] {});
  watched.log.phase("psi", 3 * kGiga, [] {});
  watched.log.phase("rows", 4 * kGiga, [] {});
  const std::vector<WorkLog::Phase>& phases = watched.log.phases();
  const double seconds = phases[1].seconds + phases[2].seconds;
  watched.log.write_off(1, "given up");
  watched.log.phase("psi", 5 * kGiga, [] {});
  ASSERT_EQ(phases.size(), 3U);
  EXPECT_EQ(phases[0].name, "data");
  EXPECT_EQ(phases[1].name, "given up");
  EXPECT_EQ(phases[1].flops, 0);
  EXPECT_EQ(phases[1].seconds, seconds);
  EXPECT_EQ(phases[2].name, "psi");
  EXPECT_EQ(phases[2].flops, 5 * kGiga);
  EXPECT_EQ(watched.log.flops(), 12 * kGiga);  // progress goes on
}

TEST(WorkLog, GoesOnFromWhatWasBookedBefore) {
  Watched watched;
  watched.log.phase("psi", 3 * kGiga, [] {});
  WorkLog::Account before = watched.log.account();
  EXPECT_GE(before.seconds, before.phases[0].seconds);
  before.seconds += 100;
  const double psi_seconds = before.phases[0].seconds;
  WorkLog after(
      watched.control, [] {}, before);
  after.phase("psi", 4 * kGiga, [] {});
  after.phase("rows", kGiga, [] {});
  ASSERT_EQ(after.phases().size(), 2U);
  EXPECT_GT(after.phases()[0].seconds, psi_seconds);
  EXPECT_EQ(after.phases()[0].flops, 7 * kGiga);
  EXPECT_EQ(after.flops(), 8 * kGiga);
  EXPECT_GT(after.seconds(), 100);
  EXPECT_EQ(watched.shown.back().done, 8);
}

TEST(WorkLog, TellsThoseWhoWatchThatItGoesOn) {
  note_stage("train");
  note_step(7);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double before = whereabouts().seconds;
  Unattended nobody;
  WorkLog(nobody).phase("psi", 1, [] {});
  EXPECT_LT(whereabouts().seconds, before);
  EXPECT_EQ(whereabouts().step, 7);
}

TEST(WorkLog, IsCompleteWhenItIsFinished) {
  Watched watched;
  watched.log.expect_flops(10 * kGiga);
  watched.log.phase("psi", 3 * kGiga, [] {});
  watched.log.finish("done");
  EXPECT_EQ(watched.shown.back().done, 3);
  EXPECT_EQ(watched.shown.back().total, 3);
  EXPECT_EQ(watched.shown.back().detail, "done");
}

TEST(WorkLog, ADetailIsShownUntilTheNextOne) {
  Watched watched;
  watched.log.phase("psi", kGiga, [] {});
  watched.log.say("step 1");
  watched.log.phase("psi", kGiga, [] {});
  watched.log.say("step 2");
  std::vector<std::string> details;
  for (const Progress& progress : watched.shown) details.push_back(progress.detail);
  EXPECT_EQ(details, (std::vector<std::string>{"", "step 1", "step 1", "step 2"}));
}

TEST(WorkLog, ItsPhasesAreThoseOfTheProcess) {
  Unattended nobody;
  WorkLog log(nobody);
  note_stage("train");
  log.phase("rows: a phase of this test", 70, [] {});
  const std::vector<PhaseTime> all = phase_times();
  const auto found = std::ranges::find(all, "rows: a phase of this test", &PhaseTime::phase);
  ASSERT_NE(found, all.end());
  EXPECT_EQ(found->stage, "train");
  EXPECT_EQ(found->work.flops, 70);
}

TEST(WorkLog, PassesOnWhatIsFound) {
  ScriptedControl control([](auto) { return Wish::go_on; });
  WorkLog log(control);
  log.measured({{"residual_ratio", "", 0.5}, {"solver_iteration", "", 3}});
  EXPECT_EQ(control.measures().at("residual_ratio/"), std::vector<double>{0.5});
  EXPECT_EQ(control.measures().at("solver_iteration/"), std::vector<double>{3});
}

}  // namespace
}  // namespace weft
