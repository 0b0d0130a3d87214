#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <new>
#include <numeric>
#include <random>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/io/dataset.hpp"
#include "weft/io/truth.hpp"

#include "sample_dataset.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

// A dataset whose writer ended before its time, and that goes on: by the same shards or by others.
namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNeurons = 11;
constexpr std::int64_t kFrames = 2000;
constexpr std::int64_t kBlock = 8;

DatasetInfo long_info() {
  DatasetInfo info = sample_info();
  info.frames = kFrames;
  info.trajectory_starts = {0, 600};
  return info;
}

fs::path shard_in(const fs::path& folder, int shard) {
  return folder / "shards" / ("rank_0000" + std::to_string(shard) + ".h5");
}

void write_block(DatasetShardWriter& writer, std::int64_t first, std::int64_t frames,
                 const RowPartition& partition, int shard) {
  const std::int64_t begin = partition.begin(shard), own = partition.size(shard);
  writer.write_frames(first, sample_activity(first, frames, begin, own),
                      sample_derivative(first, frames, begin, own));
}

void write_truth(DatasetShardWriter& writer, const RowPartition& partition, int shard) {
  writer.write_true_connectivity(LocalRow{0},
                                 sample_connectivity(partition.begin(shard), partition.size(shard)));
}

void expect_whole(const fs::path& folder, const DatasetInfo& info, const RowPartition& partition) {
  write_dataset_view(folder, info, sample_types(), partition);
  std::vector<float> connectivity(static_cast<std::size_t>(kNeurons * kNeurons));
  Truth(folder / "activity.h5").read_connectivity(GlobalRow{0}, connectivity);
  const Dataset dataset(folder / "activity.h5");
  EXPECT_TRUE(dataset.read_activity(0, info.frames, 0, kNeurons) ==
              sample_activity(0, info.frames, 0, kNeurons));
  EXPECT_TRUE(dataset.read_derivative(0, info.frames, 0, kNeurons) ==
              sample_derivative(0, info.frames, 0, kNeurons));
  EXPECT_TRUE(connectivity == sample_connectivity(0, kNeurons));
}

/// What a process that will be killed tells of itself, in memory that it shares.
struct Told {
  std::atomic<std::int64_t> calls{0};    ///< of the writer, begun
  std::atomic<std::int64_t> flushed{0};  ///< frames
  std::atomic<bool> failed{false};
};

class SharedTold {
 public:
  SharedTold()
      : memory_(::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
        told_(new (memory_) Told) {}
  ~SharedTold() { ::munmap(memory_, sizeof(Told)); }
  SharedTold(const SharedTold&) = delete;
  SharedTold& operator=(const SharedTold&) = delete;
  Told* operator->() const { return told_; }

 private:
  void* memory_;
  Told* told_;
};

/// Writes what is not flushed yet, and flushes now and then; so much at most that several lives are needed.
void go_on_writing(const fs::path& folder, const RowPartition& partition, const SharedTold& told) {
  constexpr int kBlocksPerFlush = 3;
  constexpr int kBlocksPerLife = 24;
  std::int64_t first = told->flushed;
  ++told->calls;
  DatasetShardWriter writer = first == 0 ? DatasetShardWriter(folder, long_info(), partition, 0)
                                         : DatasetShardWriter::reopen(folder, long_info(), partition, 0);
  if (first == 0) write_truth(writer, partition, 0);
  for (int blocks = 1; first < kFrames; ++blocks, first += kBlock) {
    while (blocks > kBlocksPerLife) ::pause();
    ++told->calls;
    write_block(writer, first, kBlock, partition, 0);
    if (blocks % kBlocksPerFlush != 0 && first + kBlock < kFrames) continue;
    ++told->calls;
    writer.flush();
    told->flushed = first + kBlock;
  }
}

/// Has a process of its own do `work` and kills it once it has told of `calls` more, and a moment later.
void do_and_kill(const std::function<void()>& work, const SharedTold& told, std::int64_t calls, int moment) {
  const std::int64_t last = told->calls + calls;
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (...) {
      told->failed = true;
    }
    told->calls = last;
    while (true) ::pause();
  }
  ASSERT_GT(child, 0);
  while (told->calls < last) ::sched_yield();
  for (std::atomic<int> passed{0}; passed < moment; ++passed) {
  }
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_FALSE(told->failed);
}

TEST(DatasetResume, AWriterThatIsKilledAgainAndAgainLeavesWhatItFlushed) {
  const TemporaryFolder folder;
  const RowPartition partition(kNeurons, 2);
  const SharedTold told;
  std::mt19937 draw(5);
  int kills = 0;
  for (; told->flushed < kFrames; ++kills) {
    const auto calls = std::uniform_int_distribution<std::int64_t>(1, 20)(draw);
    const int moment = std::uniform_int_distribution<int>(0, 200'000)(draw);
    do_and_kill([&] { go_on_writing(folder.path(), partition, told); }, told, calls, moment);
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(kills, 10);

  DatasetShardWriter::reopen(folder.path(), long_info(), partition, 0).close();
  DatasetShardWriter other(folder.path(), long_info(), partition, 1);
  write_truth(other, partition, 1);
  write_block(other, 0, kFrames, partition, 1);
  other.close();
  expect_whole(folder.path(), long_info(), partition);
}

/// The frames of both trajectories from their frames number `first` to `last`.
void write_part(DatasetShardWriter& writer, const DatasetInfo& info, std::int64_t first, std::int64_t last,
                const RowPartition& partition, int shard) {
  for (const std::int64_t start : info.trajectory_starts)
    write_block(writer, start + first, last - first, partition, shard);
}

TEST(DatasetResume, OtherShardsTakeOverWhatIsDone) {
  DatasetInfo info = sample_info();
  info.frames = 40;
  info.trajectory_starts = {0, 20};
  const TemporaryFolder of_three, of_two, of_four;
  const RowPartition three(kNeurons, 3), two(kNeurons, 2), four(kNeurons, 4);
  EXPECT_EQ(count_shards(of_three.path()), 0);
  for (int shard = 0; shard < 3; ++shard) {
    DatasetShardWriter writer(of_three.path(), info, three, shard);
    write_part(writer, info, 0, 7, three, shard);
    writer.flush();
  }
  EXPECT_EQ(count_shards(of_three.path()), 3);
  for (int shard = 0; shard < 2; ++shard) {
    DatasetShardWriter writer(of_two.path(), info, two, shard);
    writer.copy_frames(of_three.path(), three, 7);
    write_part(writer, info, 7, 12, two, shard);
    writer.flush();
  }
  EXPECT_EQ(count_shards(of_two.path()), 2);
  for (int shard = 0; shard < 4; ++shard) {
    DatasetShardWriter writer(of_four.path(), info, four, shard);
    writer.copy_frames(of_two.path(), two, 12);
    write_truth(writer, four, shard);
    write_part(writer, info, 12, 20, four, shard);
    writer.close();
  }
  expect_whole(of_four.path(), info, four);
}

TEST(DatasetResume, ALongRecordingIsTakenOverInParts) {
  DatasetInfo info;
  info.frames = 9'000'000;  // 36 MB
  info.neurons = 1;
  info.dt = 1;
  const RowPartition partition(1, 1);
  const TemporaryFolder former, folder;
  std::vector<float> values(static_cast<std::size_t>(info.frames));
  std::iota(values.begin(), values.end(), 1.0F);
  DatasetShardWriter source(former.path(), info, partition, 0);
  source.write_frames(0, values, {});
  source.close();

  DatasetShardWriter writer(folder.path(), info, partition, 0);
  writer.copy_frames(former.path(), partition, info.frames);
  writer.close();
  write_dataset_view(folder.path(), info, {}, partition);
  EXPECT_TRUE(Dataset(folder.path() / "activity.h5").read_activity(0, info.frames, 0, 1) == values);
}

class Reopen : public testing::Test {
 protected:
  Reopen() {
    write_sample_shard(folder_.path(), sample_info(), partition_, 0);
    write_sample_shard(folder_.path(), sample_info(), partition_, 1);
  }

  void expect_refused(const DatasetInfo& info, const RowPartition& partition, int shard,
                      std::initializer_list<std::string_view> substrings) {
    expect_user_error([&] { DatasetShardWriter::reopen(folder_.path(), info, partition, shard); },
                      substrings);
    const TemporaryFolder other;
    DatasetShardWriter writer(other.path(), info, partition, shard);
    expect_user_error([&] { writer.copy_frames(folder_.path(), partition, 1); }, substrings);
  }
  fs::path file() const { return shard_in(folder_.path(), 0); }

  TemporaryFolder folder_;
  RowPartition partition_{kNeurons, 2};
};

TEST_F(Reopen, WritesIntoAFinishedFile) {
  DatasetShardWriter writer = DatasetShardWriter::reopen(folder_.path(), sample_info(), partition_, 0);
  write_block(writer, 2, 3, partition_, 0);
  writer.close();
  expect_whole(folder_.path(), sample_info(), partition_);
}

TEST_F(Reopen, MissingFile) {
  fs::remove(file());
  expect_refused(sample_info(), partition_, 0, {"rank_00000.h5", "No such file or directory"});
}

TEST_F(Reopen, TruncatedFile) {
  fs::resize_file(file(), fs::file_size(file()) - 1);
  expect_refused(sample_info(), partition_, 0, {"rank_00000.h5", "truncated"});
}

TEST_F(Reopen, FileThatWasNeverFlushed) {
  const SharedTold told;
  const auto write_without_flush = [&] {
    DatasetShardWriter writer(folder_.path(), sample_info(), partition_, 0);
    write_block(writer, 0, 3, partition_, 0);
    told->calls = 1;
    ::pause();
  };
  do_and_kill(write_without_flush, told, 1, 0);
  expect_refused(sample_info(), partition_, 0, {"rank_00000.h5", "damaged"});
}

TEST_F(Reopen, EmptyFile) {
  fs::resize_file(file(), 0);
  expect_refused(sample_info(), partition_, 0, {"rank_00000.h5", "damaged"});
}

TEST_F(Reopen, OtherFrames) {
  DatasetInfo longer = sample_info();
  longer.frames = 8;
  expect_refused(longer, partition_, 0,
                 {"rank_00000.h5:/activity", "its shape is (7, 6)", "expected (8, 6) numbers"});
}

TEST_F(Reopen, OtherShardOrPartition) {
  fs::copy_file(shard_in(folder_.path(), 1), file(), fs::copy_options::overwrite_existing);
  expect_refused(sample_info(), partition_, 0, {"rank_00000.h5", "first_neuron is [6]", "expected [0]"});
  expect_refused(sample_info(), RowPartition(kNeurons, 3), 1, {"rank_00001.h5", "first_neuron is [6]"});
}

TEST_F(Reopen, WithoutTheDerivativeThatTheDatasetHas) {
  DatasetInfo bare = sample_info();
  bare.has_derivative = false;
  write_sample_shard(folder_.path(), bare, partition_, 0);
  expect_refused(sample_info(), partition_, 0, {"rank_00000.h5", "no dataset /derivative"});
}

}  // namespace
}  // namespace weft
