#include "app/stage_control.hpp"

#include <csignal>
#include <string>

#include <gtest/gtest.h>

#include "weft/comm/sums.hpp"
#include "weft/core/row_partition.hpp"

#include "../io/sample_checkpoint.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 11;

/// A clock and a Slurm job that the test sets.
class StageControlTest : public testing::Test {
 protected:
  StopRequest::Options options() {
    StopRequest::Options result;
    result.watches_clock = world_.rank() == 0;
    result.lookup = [this](const char*) { return job_end_.c_str(); };
    result.now = [this] { return now_; };
    return result;
  }
  void save(StageControl& control) { control.save({7, kNeurons, "adam", "", ""}, state_.arrays()); }
  /// Steps of a loop until all ranks have written the checkpoint under way and rank 0 has made it valid.
  void step_until_saved(StageControl& control) {
    for (double busy = 1; busy > 0; busy = sum_over(world_, saver_.busy() ? 1 : 0)) {
      EXPECT_EQ(ask(control, world_), Wish::go_on);
    }
  }

  double now_ = 1.7e9;
  std::string job_end_;
  Communicator& world_ = test_world();
  TemporaryFolder folder_{test_world()};
  RowPartition partition_{kNeurons, test_world().size()};
  CheckpointSaver saver_{world_, folder_.path(), partition_, {}};
  SampleState state_{partition_, world_.rank(), 7};
};

TEST_F(StageControlTest, AllStopAtOnceWhereOneIsToldTo) {
  StopRequest request(options());
  StageControl control(world_, {}, request, {});
  EXPECT_EQ(ask(control, world_), Wish::go_on);
  if (world_.rank() == world_.size() - 1) std::raise(SIGUSR1);
  EXPECT_EQ(ask(control, world_), Wish::stop);
  EXPECT_EQ(ask(control, world_), Wish::stop) << "for good";
}

TEST_F(StageControlTest, ASaveIsDueAfterTheIntervalAndNotWhileOneIsUnderWay) {
  StopRequest request(options());
  CheckpointConfig at_once;
  at_once.interval = 1e-9;
  StageControl control(world_, {}, request, at_once);
  EXPECT_EQ(ask(control, world_), Wish::go_on) << "nothing saves";
  control.save_with(&saver_, world_.size());
  EXPECT_EQ(ask(control, world_), Wish::checkpoint);
  save(control);
  Wish wish = Wish::go_on;
  while (wish == Wish::go_on) wish = ask(control, world_);
  EXPECT_EQ(wish, Wish::checkpoint);
  EXPECT_EQ(saver_.account().saved, world_.rank() == 0 ? 1 : 0);
}

TEST_F(StageControlTest, NoSaveIsDueWithoutAnInterval) {
  StopRequest request(options());
  CheckpointConfig never;
  never.interval = 0;
  StageControl control(world_, {}, request, never);
  control.save_with(&saver_, world_.size());
  EXPECT_EQ(ask(control, world_), Wish::go_on);
}

TEST_F(StageControlTest, TheEndOfTheJobLeavesTimeForSavesAsLongAsTheLast) {
  job_end_ = "1700003600";
  StopRequest request(options());
  StageControl control(world_, {}, request, {});
  control.save_with(&saver_, world_.size());
  save(control);
  step_until_saved(control);
  const double longest = saver_.account().longest_seconds;  // on rank 0, whose clock counts
  now_ = 1.7e9 + 3600 - 120 - 2 * longest;
  EXPECT_EQ(ask(control, world_), Wish::stop) << "there is no time for a third";
}

}  // namespace
}  // namespace weft
