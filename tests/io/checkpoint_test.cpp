#include "weft/io/checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "sample_checkpoint.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

constexpr std::int64_t kNeurons = 13;

/// Lets no further file be opened by this process.
class NoMoreFiles {
 public:
  NoMoreFiles() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_unused = ::open("/dev/null", O_RDONLY);
    ::close(lowest_unused);
    const rlimit none{static_cast<rlim_t>(lowest_unused), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreFiles() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

class CheckpointOfAllRanks : public testing::Test {
 protected:
  void save(std::int64_t step, const Retention& retention = {}, std::int64_t number = 0) {
    const SampleState state(partition_, world_.rank(), step);
    const ModelArrays arrays = state.arrays();
    CheckpointInfo info{step, kNeurons, "adam", "cafe", "0.1.0"};
    info.number = number;
    save_checkpoint(world_, root(), info, partition_, arrays.rows, arrays.common, retention);
    world_.barrier();
  }
  fs::path root() const { return folder_.path() / "checkpoints"; }
  fs::path folder(std::int64_t step) const { return root() / fmt::format("step_{:012}", step); }

  void expect_valid(std::int64_t step) const { expect_sample(folder(step), step, kNeurons, world_.size()); }

  Communicator& world_ = test_world();
  RowPartition partition_{kNeurons, test_world().size()};

 private:
  TemporaryFolder folder_{test_world()};
};

TEST_F(CheckpointOfAllRanks, GivesEveryBlockOfRowsWhoeverWroteIt) {
  save(12);
  const Checkpoint checkpoint(folder(12));
  for (std::int64_t first = 0; first < kNeurons; ++first) {
    for (std::int64_t count = 0; first + count <= kNeurons; ++count) {
      EXPECT_EQ(rows_of(checkpoint, "adam/connectivity/m", first, count, kNeurons),
                numbers<float>(first, count, kNeurons, 12));
      EXPECT_EQ(rows_of(checkpoint, "embedding", first, count, 2), numbers<float>(first, count, 2, 12));
    }
  }
}

TEST_F(CheckpointOfAllRanks, GivesRowsInDoublePrecision) {
  const std::int64_t begin = partition_.begin(world_.rank()), own = partition_.size(world_.rank());
  std::vector<double> fine(static_cast<std::size_t>(own));
  for (std::size_t i = 0; i < fine.size(); ++i)
    fine[i] = 1 / static_cast<double>(begin + static_cast<std::int64_t>(i) + 3);
  const std::vector<ArrayView> rows{{"fine", {own}, std::span<const double>(fine)}};
  save_checkpoint(world_, root(), {1, kNeurons, "varpro", "cafe", "0.1.0"}, partition_, rows, {});
  world_.barrier();
  std::vector<double> values(7);
  Checkpoint(folder(1)).read_rows("fine", GlobalRow{4}, 7, values);
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(values[i], 1 / static_cast<double>(i + 7));
}

TEST_F(CheckpointOfAllRanks, KeepsWhatTheTrainingFound) {
  const std::string findings = R"({"solver":{"residual":3e-06,"steps":8},"identifiability":{"silent":[]}})";
  save_checkpoint(world_, root(), {1, kNeurons, "varpro", "cafe", "0.1.0", findings}, partition_, {}, {});
  world_.barrier();
  EXPECT_EQ(Checkpoint(folder(1)).info().findings, findings);
  save(2);
  EXPECT_EQ(Checkpoint(folder(2)).info().findings, "{}");
}

TEST_F(CheckpointOfAllRanks, OfAVersionThatFoundNothingHasNoFindings) {
  save(1);
  if (world_.rank() == 0) {
    const fs::path manifest = folder(1) / "manifest.json";
    make_manifest_older(manifest, 2);
    replace_in(manifest, ",\n  \"findings\": {}", "");
  }
  world_.barrier();
  EXPECT_EQ(Checkpoint(folder(1)).info().findings, "{}");
  expect_valid(1);
}

TEST_F(CheckpointOfAllRanks, RowsOfAnotherLengthAreRefused) {
  save(12);
  const Checkpoint checkpoint(folder(12));
  std::vector<float> values(3 * 4);
  for (const std::int64_t rows : {1, 2, 3, 4, 12}) {
    expect_user_error([&] { checkpoint.read_rows("embedding", GlobalRow{1}, rows, values); },
                      {"step_000000000012: embedding holds 2 numbers a row",
                       fmt::format("expected {}", 12 / rows), "belongs to another model"});
  }
}

TEST_F(CheckpointOfAllRanks, TellsOfItselfWhatWasWritten) {
  save(12);
  const Checkpoint checkpoint(latest_checkpoint(root()));
  EXPECT_EQ(checkpoint.folder(), folder(12));
  EXPECT_EQ(checkpoint.info().step, 12);
  EXPECT_EQ(checkpoint.info().neurons, kNeurons);
  EXPECT_EQ(checkpoint.info().method, "adam");
  EXPECT_EQ(checkpoint.info().config_hash, "cafe");
  EXPECT_EQ(checkpoint.info().version, "0.1.0");
  EXPECT_TRUE(checkpoint.info().complete);
  EXPECT_EQ(checkpoint.info().number, 1);
  EXPECT_TRUE(checkpoint.has("embedding") && checkpoint.has("psi/weight"));
  EXPECT_FALSE(checkpoint.has("phi/weight"));
  EXPECT_EQ(checkpoint.read_common("psi/weight"), (std::vector<double>{0.5, 0.25, 12, 4, 5, 6}));
  EXPECT_EQ(checkpoint.read_common("counter"), std::vector<double>{static_cast<double>(1L << 60)});
  EXPECT_EQ(checkpoint.read_common_int64("counter"), std::vector<std::int64_t>{(1L << 60) + 12});
  EXPECT_EQ(checkpoint.shape_of("counter"), std::vector<std::int64_t>{});
  EXPECT_EQ(checkpoint.shape_of("embedding"), (std::vector<std::int64_t>{kNeurons, 2}));
  expect_user_error([&] { checkpoint.shape_of("phi/weight"); }, {"no dataset phi/weight"});
  const std::map<std::string, std::vector<std::int64_t>> shapes{{"adam/connectivity/m", {kNeurons, kNeurons}},
                                                                {"embedding", {kNeurons, 2}},
                                                                {"psi/weight", {2, 3}},
                                                                {"counter", {}}};
  EXPECT_EQ(checkpoint.arrays(), shapes);
}

TEST_F(CheckpointOfAllRanks, HasOneShardARankAndNothingElse) {
  save(12);
  expect_valid(12);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000012"));
  EXPECT_EQ(read_text(root() / "latest"), "step_000000000012\n");
}

TEST_F(CheckpointOfAllRanks, OfAStateUnderWaySaysSo) {
  CheckpointInfo info{7, kNeurons, "adam", "cafe", "0.1.0"};
  info.complete = false;
  save_checkpoint(world_, root(), info, partition_, {}, {});
  world_.barrier();
  EXPECT_FALSE(Checkpoint(folder(7)).info().complete);
}

TEST_F(CheckpointOfAllRanks, KeepsTheNewest) {
  for (const std::int64_t step : {5, 10, 100, 1000}) save(step);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000100", "step_000000001000"));
  EXPECT_EQ(latest_checkpoint(root()), folder(1000));
  expect_valid(100);
  expect_valid(1000);
}

TEST_F(CheckpointOfAllRanks, KeepsEveryMajorOne) {
  for (std::int64_t step = 10; step <= 80; step += 10) save(step, {2, 3});
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000030", "step_000000000060",
                                            "step_000000000070", "step_000000000080"));
  EXPECT_EQ(Checkpoint(folder(60)).info().number, 6);
}

TEST_F(CheckpointOfAllRanks, OfAnEarlierStepIsTheLatestAndStays) {
  save(900);
  save(800);
  save(100);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000100", "step_000000000800"));
  EXPECT_EQ(latest_checkpoint(root()), folder(100));
}

TEST_F(CheckpointOfAllRanks, TakesThePlaceOfThoseOfACourseThatWasGivenUp) {
  for (const std::int64_t step : {10, 20, 30, 40}) save(step, {4, 3});
  save(25, {4, 3}, 3);
  EXPECT_THAT(names_in(root()),
              ElementsAre("latest", "step_000000000010", "step_000000000020", "step_000000000025"));
  EXPECT_EQ(latest_checkpoint(root()), folder(25));
}

TEST_F(CheckpointOfAllRanks, OneWithoutAManifestGoesBeforeThoseThatHaveIt) {
  save(10);
  save(20);
  if (world_.rank() == 0) fs::remove(folder(20) / "manifest.json");
  world_.barrier();
  save(15);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000010", "step_000000000015"));
}

TEST_F(CheckpointOfAllRanks, TakesThePlaceOfOneOfTheSameStep) {
  save(3, {1});
  if (world_.rank() == 0) write_text_atomically(folder(3) / "manifest.json", "{}");
  world_.barrier();
  save(3, {1});
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000003"));
  expect_valid(3);
}

TEST_F(CheckpointOfAllRanks, ClearsWhatAKilledSaveLeft) {
  if (world_.rank() == 0) make_folders(root() / "step_000000000001.tmp" / "shard_r0000_of_0001.h5");
  world_.barrier();
  save(1);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000001"));
}

TEST_F(CheckpointOfAllRanks, FailureOfOneRankThrowsOnAllAndLeavesTheFormerValid) {
  save(1);
  const int last = world_.size() - 1;
  const auto save_with_one_rank_failing = [&] {
    std::optional<NoMoreFiles> limit;
    if (world_.rank() == last) limit.emplace();
    save(2);
  };
  const bool the_root_cannot_be_opened = last == 0;
  const std::string failure = the_root_cannot_be_opened
                                  ? "checkpoints"
                                  : fmt::format("shard_r{:04}_of_{:04}.h5", last, world_.size());
  expect_user_error(save_with_one_rank_failing, {failure, "Too many open files"});
  world_.barrier();
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000001"));
  EXPECT_EQ(latest_checkpoint(root()), folder(1));
  expect_valid(1);
  world_.barrier();
  save(3);
  expect_valid(3);
}

TEST_F(CheckpointOfAllRanks, LatestThatCannotBeReplacedIsNoReasonToCallTheCheckpointLost) {
  save(1);
  if (world_.rank() == 0) {
    fs::remove(root() / "latest");
    fs::create_directory(root() / "latest");
  }
  world_.barrier();
  save(2);
  expect_valid(2);
}

TEST_F(CheckpointOfAllRanks, DamageIsFoundAndTheFileNamed) {
  save(1);
  const std::string name = fmt::format("shard_r{:04}_of_{:04}.h5", world_.size() - 1, world_.size());
  if (world_.rank() == 0) flip_a_bit(folder(1) / name);
  world_.barrier();
  const Checkpoint damaged(folder(1));
  expect_user_error([&] { damaged.verify(); }, {name, "damaged", "use another checkpoint"});
  expect_user_error([&] { rows_of(damaged, "embedding", kNeurons - 1, 1, 2); }, {name, "damaged"});
  EXPECT_EQ(damaged.read_common("psi/weight").size(), 6);
}

}  // namespace
}  // namespace weft
