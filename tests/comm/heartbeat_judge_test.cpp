#include "../../src/comm/heartbeat_judge.hpp"

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

using testing::HasSubstr;
using testing::Optional;
using testing::StrEq;

/// Three ranks that are watched; the test says what time it is, and what they say.
class JudgeTest : public testing::Test {
 protected:
  JudgeTest() : judge_({"apple", "pear", "plum"}, {30, 100, 60, 500, 1000}) {
    for (int rank = 0; rank < 3; ++rank) {
      judge_.watch(rank);
      enter(rank, Section::step);
    }
  }

  void enter(int rank, Section section) {
    sections_[rank] = section;
    entered_[rank] = now_;
    say(rank);
  }
  void say(int rank) { judge_.heard(rank, {"train", 12, sections_[rank], now_ - entered_[rank]}); }

  /// Time goes by second by second; all say something, but one, if any.
  void pass(int seconds, int silent = -1) {
    for (int k = 0; k < seconds; ++k) {
      now_ += 1;
      say_all_but(silent);
      judge_.pass(1);
    }
  }
  /// All at once, as for a job that was suspended.
  void leap(double seconds) {
    now_ += seconds;
    judge_.pass(seconds);
  }
  void say_all_but(int silent) {
    for (int rank = 0; rank < 3; ++rank) {
      if (rank != silent) say(rank);
    }
  }

  Judge judge_;

 private:
  double now_ = 1000;
  double entered_[3] = {};
  Section sections_[3] = {};
};

TEST_F(JudgeTest, ALostConnectionIsARankThatIsGone) {
  EXPECT_EQ(judge_.verdict(), std::nullopt);
  judge_.lost(1);
  EXPECT_THAT(judge_.verdict(),
              Optional(StrEq("rank 1 on pear: its process is gone; it was in train, step 12, section step")));
}

TEST_F(JudgeTest, ARankThatLeftIsOfNoMoreConcern) {
  judge_.left(1);
  judge_.lost(1);
  pass(31, 1);
  EXPECT_EQ(judge_.verdict(), std::nullopt);
}

TEST_F(JudgeTest, ThePatienceWithSilenceIsAsSaid) {
  pass(30, 2);
  EXPECT_EQ(judge_.verdict(), std::nullopt);
  pass(1, 2);
  EXPECT_THAT(judge_.verdict(), Optional(StrEq("rank 2 on plum: no sign of life for 31 s; it was in train, "
                                               "step 12, section step")));
  say(2);
  EXPECT_EQ(judge_.verdict(), std::nullopt);
}

TEST_F(JudgeTest, EachSectionHasItsPatience) {
  const std::pair<Section, int> patience[] = {{Section::checkpoint, 500}, {Section::read, 1000}};
  for (const auto& [section, seconds] : patience) {
    enter(1, section);
    pass(seconds);
    EXPECT_EQ(judge_.verdict(), std::nullopt) << section_name(section);
    pass(1);
    EXPECT_THAT(judge_.verdict(),
                Optional(HasSubstr(std::string("section ") + std::string(section_name(section)))));
    for (int rank = 0; rank < 3; ++rank) enter(rank, Section::step);
    pass(1);
  }
  pass(99);
  EXPECT_EQ(judge_.verdict(), std::nullopt);
  pass(1);
  EXPECT_THAT(judge_.verdict(),
              Optional(StrEq("rank 0 on apple: 101 s in train, step 12, section step, which "
                             "is more than patience.step allows")));
}

TEST_F(JudgeTest, ANewSectionOrStepIsNewPatience) {
  for (int k = 0; k < 5; ++k) {
    pass(99);
    for (int rank = 0; rank < 3; ++rank) enter(rank, Section::step);
  }
  EXPECT_EQ(judge_.verdict(), std::nullopt);
}

TEST_F(JudgeTest, WhoWaitsIsNotBlamedButTellsOfTheOthers) {
  enter(0, Section::collective);
  enter(2, Section::collective);
  pass(61);
  EXPECT_THAT(judge_.verdict(),
              Optional(StrEq("rank 0 on apple: 61 s in train, step 12, section collective, "
                             "which is more than patience.collective allows; meanwhile rank "
                             "1 on pear was in train, step 12, section step")));
  pass(40);  // now rank 1 is too late itself
  EXPECT_THAT(judge_.verdict(), Optional(HasSubstr("rank 1 on pear: 101 s in train, step 12, section step")));
}

TEST_F(JudgeTest, AllMayWaitForOneThatReadsOrWrites) {
  for (const Section section : {Section::read, Section::checkpoint}) {
    enter(0, Section::collective);
    enter(1, section);
    pass(499);
    EXPECT_EQ(judge_.verdict(), std::nullopt);
    enter(1, Section::step);
    pass(59);  // what they waited before counts for nothing
    EXPECT_EQ(judge_.verdict(), std::nullopt);
    pass(2);
    EXPECT_NE(judge_.verdict(), std::nullopt);
    for (int rank = 0; rank < 3; ++rank) enter(rank, Section::step);
    pass(1);
  }
}

TEST_F(JudgeTest, AReaderThatIsLateItselfIsNoExcuse) {
  enter(0, Section::collective);
  enter(1, Section::read);
  pass(1001);
  EXPECT_THAT(judge_.verdict(),
              Optional(HasSubstr("rank 1 on pear: 1001 s in train, step 12, section read")));
}

TEST_F(JudgeTest, NeitherIsOneThatLeft) {
  enter(0, Section::collective);
  enter(1, Section::read);
  pass(10);
  judge_.left(1);
  pass(61);
  EXPECT_THAT(judge_.verdict(), Optional(HasSubstr("rank 0 on apple")));
}

TEST_F(JudgeTest, TimeInWhichTheJudgeDidNotRunIsNotCounted) {
  enter(0, Section::collective);
  pass(29, 2);
  leap(1e5);
  EXPECT_THAT(judge_.verdict(), Optional(HasSubstr("rank 2 on plum: no sign of life for 32 s")))
      << "some seconds are, so that one that runs seldom does see";
  say_all_but(-1);
  EXPECT_EQ(judge_.verdict(), std::nullopt);
  pass(25);
  EXPECT_EQ(judge_.verdict(), std::nullopt);
}

TEST_F(JudgeTest, LooksAreOftenEnoughForThePatience) {
  EXPECT_EQ(interval_of({.heartbeat = 30}), 1);
  EXPECT_EQ(interval_of({.heartbeat = 1}), 0.1);
}

TEST(Patience, IsOfASection) {
  const Patience patience{1, 2, 3, 4, 5};
  EXPECT_EQ(patience.of(Section::step), 2);
  EXPECT_EQ(patience.of(Section::collective), 3);
  EXPECT_EQ(patience.of(Section::checkpoint), 4);
  EXPECT_EQ(patience.of(Section::read), 5);
}

}  // namespace
}  // namespace weft
