#include <csignal>
#include <functional>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/checkpoint_saver.hpp"
#include "weft/io/files.hpp"

#include "sample_checkpoint.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kNeurons = 200;

void save(const fs::path& root, std::int64_t step, const Retention& retention = {}) {
  const auto alone = make_self_communicator();
  const RowPartition partition(kNeurons, 1);
  const SampleState state(partition, 0, step);
  const ModelArrays arrays = state.arrays();
  save_checkpoint(*alone, root, {step, kNeurons, "adam", "", ""}, partition, arrays.rows, arrays.common,
                  retention);
}

/// A way to damage a checkpoint, and what is then told of it.
struct Damage {
  const char* name;
  std::function<void(const fs::path&)> apply;
  const char* told;
};

void halve(const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }

const std::vector<Damage> kDamages{
    {"ShardTruncated", [](const fs::path& folder) { halve(folder / "shard_r0000_of_0001.h5"); },
     "shard_r0000_of_0001.h5: "},
    {"ShardFlipped", [](const fs::path& folder) { flip_a_bit(folder / "shard_r0000_of_0001.h5"); },
     "shard_r0000_of_0001.h5: damaged"},
    {"ShardMissing", [](const fs::path& folder) { fs::remove(folder / "shard_r0000_of_0001.h5"); },
     "shard_r0000_of_0001.h5: missing"},
    {"CommonFlipped", [](const fs::path& folder) { flip_a_bit(folder / "common.h5"); }, "common.h5: damaged"},
    {"CommonMissing", [](const fs::path& folder) { fs::remove(folder / "common.h5"); }, "common.h5: missing"},
    {"ManifestMissing", [](const fs::path& folder) { fs::remove(folder / "manifest.json"); },
     "it has no manifest.json"},
    {"ManifestOfAnotherStep",
     [](const fs::path& folder) { replace_in(folder / "manifest.json", "\"step\": ", "\"step\": 1"); },
     "manifest.json: not a manifest: damaged"},
    {"ManifestOfAnotherConfig",
     [](const fs::path& folder) {
       replace_in(folder / "manifest.json", "\"config_hash\": \"", "\"config_hash\": \"0");
     },
     "manifest.json: not a manifest: damaged"},
    {"ManifestHalf", [](const fs::path& folder) { halve(folder / "manifest.json"); },
     "manifest.json: not a manifest"},
    {"ManifestEmpty", [](const fs::path& folder) { fs::resize_file(folder / "manifest.json", 0); },
     "manifest.json: not a manifest"},
};

class DamagedCheckpoint : public testing::TestWithParam<Damage> {
 protected:
  DamagedCheckpoint() {
    for (const std::int64_t step : {10, 20, 30}) save(root(), step, {3});
  }
  const fs::path& root() const { return folder_.path(); }
  fs::path folder(std::int64_t step) const { return root() / fmt::format("step_{:012}", step); }

 private:
  TemporaryFolder folder_;
};

TEST_P(DamagedCheckpoint, IsPassedOverAndToldOf) {
  const KeptLog log;
  EXPECT_EQ(newest_sound_checkpoint(root()), folder(30));
  EXPECT_EQ(log.text(), "");
  GetParam().apply(folder(30));
  EXPECT_EQ(newest_sound_checkpoint(root()), folder(20));
  EXPECT_THAT(log.text(),
              HasSubstr(" warning rank 0 a damaged checkpoint, step_000000000020 is taken instead: "));
  EXPECT_THAT(log.text(), HasSubstr("step_000000000030"));
  EXPECT_THAT(log.text(), HasSubstr(GetParam().told));
  GetParam().apply(folder(20));
  EXPECT_EQ(newest_sound_checkpoint(root()), folder(10));
  expect_sample(folder(10), 10, kNeurons, 1);
}

TEST_P(DamagedCheckpoint, IsRefusedWithAllOthersWhereNoneIsSound) {
  for (const std::int64_t step : {10, 20, 30}) GetParam().apply(folder(step));
  expect_user_error([&] { newest_sound_checkpoint(root()); },
                    {root().native(), "no checkpoint is sound", "step_000000000010", "step_000000000020",
                     "step_000000000030", GetParam().told, "remove them all"});
}

TEST_P(DamagedCheckpoint, GivesWayToThoseThatComeAfterTheSoundOne) {
  GetParam().apply(folder(30));
  const auto alone = make_self_communicator();
  const RowPartition partition(kNeurons, 1);
  CheckpointSaver saver(*alone, root(), partition, {2});
  saver.continue_from(Checkpoint(folder(20)).info());
  const SampleState state(partition, 0, 25);
  saver.start({25, kNeurons, "adam", "", ""}, state.arrays());
  ASSERT_TRUE(saver.finish());
  const KeptLog log;
  EXPECT_EQ(newest_sound_checkpoint(root()), folder(25));
  EXPECT_EQ(log.text(), "");
  EXPECT_THAT(names_in(root()), testing::ElementsAre("latest", "step_000000000020", "step_000000000025"));
}

INSTANTIATE_TEST_SUITE_P(All, DamagedCheckpoint, testing::ValuesIn(kDamages),
                         [](const auto& damage) { return damage.param.name; });

TEST(NewestSoundCheckpoint, IsNothingWhereThereAreNone) {
  const TemporaryFolder folder;
  EXPECT_EQ(newest_sound_checkpoint(folder.path()), std::nullopt);
  EXPECT_EQ(newest_sound_checkpoint(folder.path() / "none"), std::nullopt);
  make_folders(folder.path() / "step_000000000001.tmp");
  EXPECT_EQ(newest_sound_checkpoint(folder.path()), std::nullopt);
}

TEST(NewestSoundCheckpoint, IsTheOneSavedLastWhateverItsStepAndWhateverLatestSays) {
  const TemporaryFolder folder;
  save(folder.path(), 900);
  save(folder.path(), 100);
  write_text_atomically(folder.path() / "latest", "step_000000000900\n");
  EXPECT_EQ(newest_sound_checkpoint(folder.path()), folder.path() / "step_000000000100");
}

TEST(NewestSoundCheckpoint, OfTheFormerFormatIsThatOfTheHighestStep) {
  const TemporaryFolder folder;
  for (const std::int64_t step : {900, 100}) {
    save(folder.path(), step);
    make_manifest_older(folder.path() / fmt::format("step_{:012}", step) / "manifest.json", 1);
  }
  EXPECT_EQ(newest_sound_checkpoint(folder.path()), folder.path() / "step_000000000900");
}

/// Saves without end, and tells the other end of the pipe each step that is valid.
[[noreturn]] void save_forever(const fs::path& root, int told) {
  const auto alone = make_self_communicator();
  const RowPartition partition(kNeurons, 1);
  CheckpointSaver saver(*alone, root, partition, {2, 7});
  if (const auto newest = newest_sound_checkpoint(root)) saver.continue_from(Checkpoint(*newest).info());
  const auto known = newest_sound_checkpoint(root);
  for (std::int64_t step = known ? Checkpoint(*known).info().step + 1 : 1;; ++step) {
    const SampleState state(partition, 0, step);
    saver.start({step, kNeurons, "adam", "", ""}, state.arrays());
    if (!saver.finish() || ::write(told, &step, sizeof(step)) != sizeof(step)) _exit(1);
  }
}

/// A process that saves without end.
class EndlessSaver {
 public:
  explicit EndlessSaver(const fs::path& root) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    child_ = ::fork();
    if (child_ == 0) save_forever(root, ends[1]);
    ::close(ends[1]);
    told_ = ends[0];
  }
  ~EndlessSaver() { ::close(told_); }

  /// The next step that the process says is valid.
  std::int64_t next() const {
    std::int64_t step = 0;
    return ::read(told_, &step, sizeof(step)) == sizeof(step) ? step : -1;
  }
  /// Kills it and returns the last step that it said was valid.
  std::int64_t kill_it(std::int64_t known) const {
    ::kill(child_, SIGKILL);
    int status = 0;
    ::waitpid(child_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    for (std::int64_t step = next(); step > 0; step = next()) known = step;
    return known;
  }

 private:
  pid_t child_ = -1;
  int told_ = -1;
};

TEST(NewestSoundCheckpoint, IsThereWheneverASaverIsKilled) {
  const TemporaryFolder folder;
  const KeptLog log;
  std::mt19937 words(2024);
  std::uniform_int_distribution<int> microseconds(0, 20'000);
  int in_mid_save = 0;
  for (int kill = 0; kill < 50; ++kill) {
    const EndlessSaver saver(folder.path());
    const std::int64_t first = saver.next();
    ASSERT_GT(first, 0);
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds(words)));
    const std::int64_t known = saver.kill_it(first);
    const std::optional<fs::path> newest = newest_sound_checkpoint(folder.path());
    ASSERT_TRUE(newest);
    const std::int64_t step = Checkpoint(*newest).info().step;
    EXPECT_GE(step, known);
    EXPECT_LE(step, known + 1);
    expect_sample(*newest, step, kNeurons, 1);
    for (const std::string& name : names_in(folder.path())) in_mid_save += name.ends_with(".tmp") ? 1 : 0;
  }
  EXPECT_THAT(log.text(), Not(HasSubstr("damaged")));
  EXPECT_GT(in_mid_save, 0);
}

}  // namespace
}  // namespace weft
