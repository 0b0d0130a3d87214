#include "weft/core/phase.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "weft/core/section.hpp"

namespace weft {
namespace {

PhaseTime phase_of(const std::string& stage, std::string_view phase) {
  const std::vector<PhaseTime> all = phase_times();
  const auto found = std::ranges::find_if(
      all, [&](const PhaseTime& one) { return one.stage == stage && one.phase == phase; });
  return found == all.end() ? PhaseTime{} : *found;
}

double seconds_of(const std::string& stage, std::string_view phase) { return phase_of(stage, phase).seconds; }

void pass_time() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }
constexpr double kPassed = 0.020;

TEST(InPhase, CountsItsTimeWithoutThatOfPhasesWithin) {
  note_stage("nesting");
  {
    const InPhase outer(kPhaseForward);
    pass_time();
    const double before = seconds_of("nesting", kPhaseForward);
    EXPECT_GE(before, kPassed);
    {
      const InPhase inner(kPhaseOptimizer);
      const double entered = seconds_of("nesting", kPhaseForward);
      pass_time();
      EXPECT_EQ(seconds_of("nesting", kPhaseForward), entered) << "the time is that of the inner one";
      EXPECT_GE(seconds_of("nesting", kPhaseOptimizer), kPassed) << "which is under way";
    }
    pass_time();
    EXPECT_GE(seconds_of("nesting", kPhaseForward), 2 * kPassed);
  }
  const double ended = seconds_of("nesting", kPhaseForward);
  pass_time();
  EXPECT_EQ(seconds_of("nesting", kPhaseForward), ended);
}

TEST(InPhase, AddsUpToAllTheTimeThatPassed) {
  const auto start = std::chrono::steady_clock::now();
  note_stage("adding up");
  for (int k = 0; k < 100; ++k) {
    const InPhase forward(kPhaseForward);
    const InSection waiting(Section::collective);
  }
  const auto end = std::chrono::steady_clock::now();
  double sum = 0;
  for (const PhaseTime& phase : phase_times()) sum += phase.stage == "adding up" ? phase.seconds : 0;
  EXPECT_GE(sum, std::chrono::duration<double>(end - start).count() * 0.5);
  EXPECT_LE(sum, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

TEST(InPhase, OfASectionIsThatOfWaiting) {
  note_stage("sections");
  {
    const InSection collective(Section::collective);
    pass_time();
  }
  {
    const InSection reading(Section::read);
    pass_time();
    const InSection writing(Section::checkpoint);
    pass_time();
  }
  EXPECT_GE(seconds_of("sections", kPhaseCommunication), kPassed);
  EXPECT_GE(seconds_of("sections", kPhaseIo), 2 * kPassed);
}

TEST(InPhase, OnAnotherThreadIsNotNoted) {
  note_stage("threads");
  std::thread([] {
    const InPhase forward(kPhaseForward);
    note_work({1, 1});
    pass_time();
  }).join();
  EXPECT_EQ(phase_of("threads", kPhaseForward).phase, "");
}

TEST(OwnSeconds, AreWithoutWaitingAndOfThePresentStage) {
  note_stage("before");
  pass_time();
  note_stage("own");
  EXPECT_LT(own_seconds(), kPassed);
  const InPhase forward(kPhaseForward);
  pass_time();
  const double worked = own_seconds();
  EXPECT_GE(worked, kPassed);
  const InSection waiting(Section::collective);
  const double entered = own_seconds();
  pass_time();
  EXPECT_EQ(own_seconds(), entered);
}

TEST(NoteWork, BelongsToThePhaseUnderWay) {
  note_stage("work");
  const WorkCount before = noted_work();
  {
    const InPhase forward(kPhaseForward);
    note_work({100, 8});
    const InPhase optimizer(kPhaseOptimizer);
    note_work({1, 2});
    note_work({1, 2});
  }
  EXPECT_EQ(phase_of("work", kPhaseForward).work.flops, 100);
  EXPECT_EQ(phase_of("work", kPhaseForward).work.bytes, 8);
  EXPECT_EQ(phase_of("work", kPhaseOptimizer).work.flops, 2);
  EXPECT_EQ(phase_of("work", kPhaseOptimizer).work.bytes, 4);
  EXPECT_EQ((noted_work() - before).flops, 102);
  EXPECT_EQ((noted_work() - before).bytes, 12);
}

TEST(PhaseTimes, OfAStageThatComesAgainGoOn) {
  note_stage("again");
  pass_time();
  note_stage("between");
  const double first = seconds_of("again", kPhaseOther);
  note_stage("again");
  pass_time();
  note_stage("between");
  EXPECT_GE(seconds_of("again", kPhaseOther), first + kPassed);
}

}  // namespace
}  // namespace weft
