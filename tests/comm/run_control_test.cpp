#include "weft/comm/run_control.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/mpi_main.hpp"

namespace weft {
namespace {

using testing::ElementsAre;

/// Votes as the test says, keeps the sums that it is asked to decide on.
class Recorder final : public RunControl {
 public:
  explicit Recorder(const Votes& own) : own_(own) {}
  void progress(const Progress&) override {}
  Votes votes() override { return own_; }
  Wish decide(const Votes& sum) override {
    sums.push_back(sum.numbers());
    return sum.stop > 0 ? Wish::stop : sum.checkpoint > 0 ? Wish::checkpoint : Wish::go_on;
  }

  std::vector<std::array<double, Votes::kCount>> sums;

 private:
  Votes own_;
};

TEST(Ask, SumsTheVotesOfAllRanks) {
  const double size = test_world().size();
  const double last = test_world().rank() == test_world().size() - 1 ? 1 : 0;
  Recorder control({.stop = last, .checkpoint = 1, .written = 1 - last});
  EXPECT_EQ(ask(control, test_world()), Wish::stop);
  EXPECT_THAT(control.sums, ElementsAre(ElementsAre(1, size, size - 1)));
}

TEST(Ask, ReturnsWhatIsDecided) {
  Recorder nothing({});
  EXPECT_EQ(ask(nothing, test_world()), Wish::go_on);
  Recorder checkpoint({.checkpoint = test_world().rank() == 0 ? 1.0 : 0.0});
  EXPECT_EQ(ask(checkpoint, test_world()), Wish::checkpoint);
}

TEST(Votes, SurviveAsNumbers) {
  const Votes votes{.stop = 1, .checkpoint = 2, .written = 3};
  EXPECT_EQ(Votes::of(votes.numbers()).numbers(), (std::array<double, Votes::kCount>{1, 2, 3}));
}

TEST(Unattended, WishesNothingAndShowsProgress) {
  std::vector<std::int64_t> shown;
  Unattended control([&](const Progress& progress) { shown.push_back(progress.done); });
  control.progress({"train", 7, 10, "steps", ""});
  EXPECT_THAT(shown, ElementsAre(7));
  EXPECT_EQ(ask(control, test_world()), Wish::go_on);
  EXPECT_EQ(control.decide({.stop = 1}), Wish::go_on);
  Unattended without_sink;
  EXPECT_NO_THROW(without_sink.progress({}));
}

}  // namespace
}  // namespace weft
