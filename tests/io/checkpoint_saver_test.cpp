#include "weft/io/checkpoint_saver.hpp"

#include <fstream>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "sample_checkpoint.hpp"
#include "small_disk.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kNeurons = 13;

CheckpointInfo under_way(std::int64_t step, std::int64_t neurons = kNeurons) {
  CheckpointInfo info{step, neurons, "adam", "cafe", "0.1.0"};
  info.complete = false;
  return info;
}

/// One rank's part is written soon; a rank that hangs is ended by the test's watchdog.
void wait_until_written(const CheckpointSaver& saver) {
  while (!saver.written()) std::this_thread::yield();
}

/// Lets this process write no file of more than 600 bytes: none of HDF5's.
class SmallFiles {
 public:
  SmallFiles() {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{600, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() { setrlimit(RLIMIT_FSIZE, &before_); }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  rlimit before_;
};

class Saver : public testing::Test {
 protected:
  void start(CheckpointSaver& saver, std::int64_t step) {
    SampleState state(partition_, world_.rank(), step);
    saver.start(under_way(step), state.arrays());
    state.overwrite();
  }
  bool save(CheckpointSaver& saver, std::int64_t step) {
    start(saver, step);
    return saver.finish();
  }
  CheckpointSaver make_saver(const Retention& retention = {}) {
    return {world_, root(), partition_, retention};
  }
  fs::path root() const { return folder_.path() / "checkpoints"; }
  fs::path folder(std::int64_t step) const { return root() / fmt::format("step_{:012}", step); }
  void expect_valid(std::int64_t step) {
    world_.barrier();
    expect_sample(folder(step), step, kNeurons, world_.size());
    world_.barrier();
  }
  std::vector<std::string> names() {
    world_.barrier();
    const std::vector<std::string> all = names_in(root());
    world_.barrier();
    return all;
  }
  bool leads() const { return world_.rank() == 0; }

  Communicator& world_ = test_world();
  RowPartition partition_{kNeurons, test_world().size()};

 private:
  TemporaryFolder folder_{test_world()};
};

TEST_F(Saver, WritesWhatTheCallerHadAtTheStart) {
  CheckpointSaver saver = make_saver();
  EXPECT_TRUE(save(saver, 12));
  expect_valid(12);
  const CheckpointInfo info = Checkpoint(folder(12)).info();
  EXPECT_EQ(info.method, "adam");
  EXPECT_EQ(info.config_hash, "cafe");
  EXPECT_FALSE(info.complete);
  EXPECT_EQ(info.number, 1);
  EXPECT_EQ(names(), (std::vector<std::string>{"latest", "step_000000000012"}));
}

TEST_F(Saver, IsUnderWayFromStartToPublish) {
  CheckpointSaver saver = make_saver();
  EXPECT_FALSE(saver.written());
  start(saver, 1);
  wait_until_written(saver);
  EXPECT_FALSE(fs::exists(folder(1)));
  saver.publish();
  EXPECT_FALSE(saver.written());
  EXPECT_TRUE(saver.finish());
  EXPECT_FALSE(saver.written());
  expect_valid(1);
}

TEST_F(Saver, AStartPublishesTheOneBefore) {
  CheckpointSaver saver = make_saver();
  start(saver, 1);
  start(saver, 2);
  expect_valid(1);
  EXPECT_TRUE(saver.finish());
  EXPECT_TRUE(saver.finish());
  expect_valid(2);
}

TEST_F(Saver, WithoutAStartHasNothingThatIsValid) {
  CheckpointSaver saver = make_saver();
  EXPECT_FALSE(saver.finish());
  EXPECT_FALSE(fs::exists(root()));
}

TEST_F(Saver, TakesArraysOfOtherShapesAndTypesEachTime) {
  CheckpointSaver saver = make_saver();
  const std::int64_t own = partition_.size(world_.rank());
  for (const std::int64_t columns : {50, 1, 0, 7}) {
    const auto narrow = numbers<float>(partition_.begin(world_.rank()), own, columns, 1);
    const auto wide = numbers<double>(partition_.begin(world_.rank()), own, columns, 1);
    const ArrayView as_float{"array", {own, columns}, std::span<const float>(narrow)};
    const ArrayView as_double{"array", {own, columns}, std::span<const double>(wide)};
    saver.start(under_way(columns), {{columns % 2 == 0 ? as_float : as_double}, {}});
    EXPECT_TRUE(saver.finish());
    EXPECT_EQ(rows_of(Checkpoint(folder(columns)), "array", 0, kNeurons, columns),
              numbers<float>(0, kNeurons, columns, 1));
    world_.barrier();
  }
}

TEST_F(Saver, KeepsTheNewestAndEveryMajorOne) {
  CheckpointSaver saver = make_saver({2, 3});
  for (std::int64_t step = 10; step <= 80; step += 10) EXPECT_TRUE(save(saver, step));
  EXPECT_THAT(names(), ElementsAre("latest", "step_000000000030", "step_000000000060", "step_000000000070",
                                   "step_000000000080"));
}

TEST_F(Saver, NumbersOnFromThoseThere) {
  {
    CheckpointSaver saver = make_saver();
    save(saver, 10);
    save(saver, 20);
  }
  CheckpointSaver saver = make_saver();
  save(saver, 30);
  EXPECT_EQ(Checkpoint(folder(30)).info().number, 3);
  EXPECT_THAT(names(), ElementsAre("latest", "step_000000000020", "step_000000000030"));
}

TEST_F(Saver, ThatContinuesFromAnEarlierOneGivesUpThoseAfterIt) {
  {
    CheckpointSaver saver = make_saver({4});
    for (const std::int64_t step : {10, 20, 30}) save(saver, step);
  }
  CheckpointSaver saver = make_saver({4});
  EXPECT_EQ(saver.next_number(), 0);
  saver.continue_from(Checkpoint(folder(10)).info());
  EXPECT_EQ(saver.next_number(), 2);
  save(saver, 15);
  EXPECT_EQ(Checkpoint(folder(15)).info().number, 2);
  save(saver, 20);
  EXPECT_EQ(Checkpoint(folder(20)).info().number, 3);
  EXPECT_THAT(names(), ElementsAre("latest", "step_000000000010", "step_000000000015", "step_000000000020"));
}

TEST_F(Saver, KeepsAnAccountOnRank0) {
  CheckpointSaver saver = make_saver();
  EXPECT_EQ(saver.account().saved, 0);
  save(saver, 10);
  save(saver, 20);
  const CheckpointAccount account = saver.account();
  EXPECT_EQ(account.saved, leads() ? 2 : 0);
  EXPECT_EQ(account.last_step, leads() ? 20 : 0);
  EXPECT_EQ(account.failures, 0);
  EXPECT_EQ(account.last_seconds > 0, leads());
  EXPECT_GE(account.longest_seconds, account.last_seconds);
}

TEST_F(Saver, DestroyedInMidSaveLeavesTheFormerValid) {
  {
    CheckpointSaver saver = make_saver();
    save(saver, 1);
    start(saver, 2);
  }
  expect_valid(1);
  EXPECT_FALSE(fs::exists(folder(2)));
  world_.barrier();
  CheckpointSaver saver = make_saver();
  EXPECT_TRUE(save(saver, 2));
  expect_valid(2);
  EXPECT_THAT(names(), ElementsAre("latest", "step_000000000001", "step_000000000002"));
}

TEST_F(Saver, ClearsWhatAKilledSaveOfOtherRanksLeft) {
  if (leads()) {
    make_folders(folder(1).string() + ".tmp");
    std::ofstream(fs::path(folder(1).string() + ".tmp") / "shard_r0000_of_0099.h5") << "x";
  }
  world_.barrier();
  CheckpointSaver saver = make_saver();
  EXPECT_TRUE(save(saver, 1));
  expect_valid(1);
}

TEST_F(Saver, FailureOfOneRankIsToldOnAllAndTheNextIsSaved) {
  const KeptLog log;
  CheckpointSaver saver = make_saver();
  save(saver, 1);
  const int last = world_.size() - 1;
  {
    std::optional<SmallFiles> limit;
    if (world_.rank() == last) limit.emplace();
    EXPECT_FALSE(save(saver, 2));
  }
  EXPECT_THAT(names(), ElementsAre("latest", "step_000000000001"));
  expect_valid(1);
  if (leads()) {
    EXPECT_EQ(saver.account().failures, 1);
    EXPECT_THAT(log.text(),
                HasSubstr("warning rank 0 the checkpoint of step 2 could not be saved, the run goes on"));
    EXPECT_THAT(log.text(), HasSubstr(fmt::format("rank {}: ", last)));
    EXPECT_THAT(log.text(), HasSubstr("File too large"));
  } else {
    EXPECT_EQ(log.text(), "");
  }
  EXPECT_TRUE(save(saver, 3));
  expect_valid(3);
  EXPECT_EQ(Checkpoint(folder(3)).info().number, 2);
  EXPECT_EQ(saver.account().saved, leads() ? 2 : 0);
}

TEST_F(Saver, AFolderThatCannotBeMadeFailsOnAllRanksAtOnce) {
  const KeptLog log;
  if (leads()) std::ofstream(root()) << "in the way";
  world_.barrier();
  CheckpointSaver saver = make_saver();
  start(saver, 1);
  EXPECT_TRUE(saver.written());
  EXPECT_FALSE(saver.finish());
  if (leads()) {
    EXPECT_THAT(log.text(), HasSubstr("rank 0: "));
    EXPECT_THAT(log.text(), HasSubstr("Not a directory"));
    fs::remove(root());
  }
  world_.barrier();
  EXPECT_TRUE(save(saver, 2));
  expect_valid(2);
}

TEST_F(Saver, ABugOnItsThreadEndsAsWords) {
  const KeptLog log;
  CheckpointSaver saver = make_saver();
  const std::vector<float> values(3);
  const std::int64_t own = partition_.size(world_.rank());
  saver.start(under_way(1), {{{"array", {own, 1000}, std::span(values)}}, {}});
  EXPECT_FALSE(saver.finish());
  if (leads()) {
    EXPECT_THAT(log.text(), HasSubstr("a bug in Weft"));
  }
  EXPECT_TRUE(save(saver, 2));
}

TEST_F(Saver, WhatCannotBeSupersededStaysAndTheNewOneIsValid) {
  const KeptLog log;
  CheckpointSaver saver = make_saver();
  save(saver, 1);
  if (leads()) {
    fs::remove(root() / "latest");
    fs::create_directory(root() / "latest");
  }
  world_.barrier();
  EXPECT_TRUE(save(saver, 2));
  expect_valid(2);
  if (leads()) {
    EXPECT_THAT(log.text(), HasSubstr("the checkpoint of step 2 is saved, but: "));
  }
}

/// A saver of one rank alone, with checkpoints of 170 KB on a disk of its own.
class SaverOnASmallDisk : public testing::Test {
 protected:
  static constexpr std::int64_t kMany = 200;

  SaverOnASmallDisk() : disk_(600 << 10) {}
  void SetUp() override { WEFT_SKIP_UNLESS_MOUNTED(disk_); }

  void start(std::int64_t step) {
    const SampleState state(partition_, 0, step);
    saver_.start(under_way(step, kMany), state.arrays());
  }
  bool save(std::int64_t step) {
    start(step);
    return saver_.finish();
  }
  void expect_valid(std::int64_t step) { expect_sample(folder(step), step, kMany, 1); }
  fs::path folder(std::int64_t step) const { return disk_.path() / fmt::format("step_{:012}", step); }
  void remount(unsigned long how) {
    ASSERT_EQ(::mount("none", disk_.path().c_str(), "tmpfs", MS_REMOUNT | how, "size=600k"), 0);
  }

  SmallDisk disk_;
  std::unique_ptr<Communicator> alone_ = make_self_communicator();
  RowPartition partition_{kMany, 1};
  CheckpointSaver saver_{*alone_, disk_.path(), partition_, {}};
  KeptLog log_;
};

TEST_F(SaverOnASmallDisk, AFullOneLeavesTheFormerValidAndIsTriedAgain) {
  EXPECT_TRUE(save(1));
  EXPECT_TRUE(save(2));
  std::ofstream(disk_.path() / "filler") << std::string(150 << 10, 'x');
  EXPECT_FALSE(save(3));
  EXPECT_FALSE(save(4));
  EXPECT_EQ(saver_.account().failures, 2);
  EXPECT_THAT(log_.text(), HasSubstr("No space left on device"));
  EXPECT_THAT(names_in(disk_.path()),
              ElementsAre("filler", "latest", "step_000000000001", "step_000000000002"));
  expect_valid(1);
  expect_valid(2);
  fs::remove(disk_.path() / "filler");
  EXPECT_TRUE(save(5));
  expect_valid(5);
  EXPECT_EQ(saver_.account().saved, 3);
}

TEST_F(SaverOnASmallDisk, ReadOnlyFromTheStart) {
  EXPECT_TRUE(save(1));
  remount(MS_RDONLY);
  EXPECT_FALSE(save(2));
  EXPECT_THAT(log_.text(), HasSubstr("Read-only file system"));
  expect_valid(1);
  remount(0);
  EXPECT_TRUE(save(3));
  expect_valid(3);
}

TEST_F(SaverOnASmallDisk, ReadOnlyWhenItIsToBePublished) {
  EXPECT_TRUE(save(1));
  start(2);
  wait_until_written(saver_);
  remount(MS_RDONLY);
  saver_.publish();
  EXPECT_FALSE(saver_.finish());
  EXPECT_THAT(log_.text(), HasSubstr("manifest.json"));
  expect_valid(1);
  remount(0);
  EXPECT_TRUE(save(2));
  expect_valid(2);
  EXPECT_THAT(names_in(disk_.path()), ElementsAre("latest", "step_000000000001", "step_000000000002"));
}

}  // namespace
}  // namespace weft
