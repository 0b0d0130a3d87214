#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include "weft/io/dataset.hpp"
#include "weft/io/truth.hpp"

#include "python.hpp"
#include "sample_dataset.hpp"
#include "small_disk.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

fs::path shard_of(const fs::path& view, int shard) {
  return view.parent_path() / "shards" / fmt::format("rank_{:05}.h5", shard);
}

void cut(const fs::path& file) { fs::resize_file(file, fs::file_size(file) - 1); }

class DatasetErrors : public testing::Test {
 protected:
  /// A file made by h5py; `body` fills `f`, which holds a sound /activity (4, 3) and dt.
  fs::path recording(const std::string& body) {
    const std::string script =
        "import h5py, numpy as np\nf = h5py.File('recording.h5', 'w')\n"
        "f['activity'] = np.ones((4, 3)); f.attrs['dt'] = 0.5\n";
    run_python(script + body, folder_.path());
    return folder_.path() / "recording.h5";
  }
  fs::path sample() { return write_sample(folder_.path(), sample_info(), 3); }
  const fs::path& folder() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

void expect_refused(const fs::path& file, std::initializer_list<std::string_view> substrings) {
  expect_user_error([&] { Dataset{file}; }, substrings);
}

TEST_F(DatasetErrors, MissingFile) {
  expect_refused(folder() / "none.h5", {"none.h5", "No such file or directory", "check the path"});
}

TEST_F(DatasetErrors, Folder) {
  expect_refused(folder(), {folder().native(), "a folder", "expected an HDF5 file"});
}

TEST_F(DatasetErrors, NotHdf5) {
  std::ofstream(folder() / "activity.csv") << "0.1, 0.2\n";
  expect_refused(folder() / "activity.csv", {"activity.csv", "not an HDF5 file"});
}

TEST_F(DatasetErrors, EmptyFile) {
  std::ofstream(folder() / "empty.h5").flush();
  expect_refused(folder() / "empty.h5", {"empty.h5", "not an HDF5 file"});
}

TEST_F(DatasetErrors, TruncatedFile) {
  const fs::path file = recording("");
  cut(file);
  expect_refused(file, {"recording.h5", "truncated"});
}

TEST_F(DatasetErrors, CutWithinItsFirstBytes) {
  const fs::path file = recording("");
  fs::resize_file(file, 40);
  expect_refused(file, {"recording.h5"});
}

TEST_F(DatasetErrors, MissingShard) {
  const fs::path view = sample();
  fs::remove(shard_of(view, 1));
  expect_refused(view, {"activity.h5:/activity", "rank_00001.h5 is missing", "copy the whole folder"});
}

TEST_F(DatasetErrors, TruncatedShard) {
  const fs::path view = sample();
  cut(shard_of(view, 2));
  expect_refused(view, {"rank_00002.h5", "truncated"});
}

TEST_F(DatasetErrors, ShardOfAnotherDataset) {
  const fs::path view = sample();
  const TemporaryFolder other;
  DatasetInfo longer = sample_info();
  longer.frames = 8;
  fs::copy_file(shard_of(write_sample(other.path(), longer, 3), 0), shard_of(view, 0),
                fs::copy_options::overwrite_existing);
  expect_refused(view, {"rank_00000.h5 holds /activity (8, 4), not (7, 4)"});
}

TEST_F(DatasetErrors, ShardLostAfterOpening) {
  const fs::path view = sample();
  const Dataset dataset(view);
  fs::remove(shard_of(view, 1));
  expect_user_error([&] { dataset.read_activity(2, 2, 3, 4); },
                    {"frame 2, neuron 4 (counted from 0) is nan"});
}

TEST_F(DatasetErrors, NoActivity) {
  expect_refused(recording("del f['activity']"),
                 {"recording.h5: no dataset /activity", "docs/file-formats.md"});
}

TEST_F(DatasetErrors, ActivityIsAGroup) {
  expect_refused(recording("del f['activity']; f.create_group('activity')"), {"no dataset /activity"});
}

TEST_F(DatasetErrors, ActivityNotTwoDimensional) {
  expect_refused(recording("del f['activity']; f['activity'] = np.ones((4, 3, 2))"),
                 {"recording.h5:/activity", "(4, 3, 2)", "expected (frames, neurons)"});
}

TEST_F(DatasetErrors, ActivityEmpty) {
  expect_refused(recording("del f['activity']; f['activity'] = np.ones((0, 3))"), {"/activity", "(0, 3)"});
}

TEST_F(DatasetErrors, ActivityNotNumbers) {
  expect_refused(recording("del f['activity']; f['activity'] = np.array([[b'a', b'b']])"),
                 {"/activity", "holds no numbers"});
}

TEST_F(DatasetErrors, NoDt) {
  expect_refused(recording("del f.attrs['dt']"), {"recording.h5: no dt", "an attribute dt of the file"});
}

TEST_F(DatasetErrors, DtNotAboveZero) {
  expect_refused(recording("f.attrs['dt'] = -0.5"), {"dt is -0.5", "a finite number above 0"});
  expect_refused(recording("f.attrs['dt'] = 0"), {"dt is 0", "a finite number above 0"});
}

TEST_F(DatasetErrors, DtNotFinite) {
  expect_refused(recording("f.attrs['dt'] = np.nan"), {"dt is nan", "a finite number above 0"});
  expect_refused(recording("f.attrs['dt'] = np.inf"), {"dt is inf", "a finite number above 0"});
}

TEST_F(DatasetErrors, DtNotOneNumber) {
  expect_refused(recording("f.attrs['dt'] = '0.5 s'"), {"attribute dt is not a number"});
  expect_refused(recording("f.attrs['dt'] = [0.5, 0.5]"), {"dt holds 2 values", "one number"});
}

TEST_F(DatasetErrors, TrajectoryStartsNotFirstFrames) {
  for (const char* starts : {"[1, 2]", "[0, 2, 2]", "[0, 4]", "[0, 3, 1]"}) {
    expect_refused(recording(fmt::format("f.attrs['trajectory_starts'] = np.array({})", starts)),
                   {"trajectory_starts", "ascending frame numbers, 0 first, below 4"});
  }
}

TEST_F(DatasetErrors, DerivativeOfAnotherShape) {
  expect_refused(recording("f['derivative'] = np.ones((3, 3))"),
                 {"/derivative", "(3, 3)", "expected (4, 3)"});
}

TEST_F(DatasetErrors, TruthOfAnotherShape) {
  const std::string truth =
      "f['truth/connectivity'] = np.ones({}); f['truth/neuron_type'] = np.zeros({}, int)\n"
      "f['truth/parameters'] = np.ones({})";
  const auto refuse = [&](const char* connectivity, const char* types, const char* parameters,
                          std::initializer_list<std::string_view> substrings) {
    const fs::path file = recording(fmt::format(fmt::runtime(truth), connectivity, types, parameters));
    expect_user_error([&] { Truth{file}; }, substrings);
  };
  refuse("(3, 4)", "3", "(1, 3)", {"/truth/connectivity", "(3, 4)", "expected (3, 3)"});
  refuse("(3, 3)", "4", "(1, 3)", {"/truth/neuron_type", "(4)", "expected (3)"});
  refuse("(3, 3)", "3", "(1, 2)", {"/truth/parameters", "(1, 2)", "expected (1, 3)"});
  refuse("(3, 3)", "3", "(0, 3)", {"/truth/neuron_type", "neuron 0 is of type 0", "types below 0"});
  expect_refused(recording(fmt::format(fmt::runtime(truth), "(3, 4)", "3", "(1, 3)")),
                 {"/truth/connectivity"});
}

TEST_F(DatasetErrors, NoTruth) {
  const fs::path file = recording("");
  expect_user_error([&] { Truth{file}; }, {"recording.h5: no dataset /truth/"});
}

TEST_F(DatasetErrors, ValueNotFinite) {
  const Dataset dataset(recording("f['activity'][2, 1] = np.nan; f['activity'][3, 2] = np.inf"));
  EXPECT_NO_THROW(dataset.read_activity(0, 2, 0, 3));
  expect_user_error([&] { dataset.read_activity(1, 3, 1, 2); },
                    {"/activity", "frame 2, neuron 1 (counted from 0) is nan"});
  expect_user_error([&] { dataset.read_activity(3, 1, 1, 2); },
                    {"frame 3, neuron 2 (counted from 0) is inf"});
}

TEST_F(DatasetErrors, ValueBeyondFloat32) {
  const Dataset dataset(recording("f['activity'][2, 1] = 1e300"));
  expect_user_error([&] { dataset.read_activity(0, 4, 0, 3); },
                    {"frame 2, neuron 1 (counted from 0) is inf"});
}

TEST_F(DatasetErrors, FileLocked) {
  const fs::path file = recording("");
  const int holder = ::open(file.c_str(), O_RDONLY);
  ASSERT_EQ(::flock(holder, LOCK_EX), 0);
  expect_refused(file, {"recording.h5", "cannot be locked", "HDF5_USE_FILE_LOCKING=FALSE"});
  ::close(holder);
}

TEST(DatasetWriterErrors, DiskTooSmallIsFoundBeforeTheWork) {
  const SmallDisk disk(256 << 10);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  DatasetInfo large = sample_info();
  large.frames = 10'000;
  expect_user_error([&] { DatasetShardWriter(disk.path(), large, RowPartition(11, 1), 0); },
                    {"rank_00000.h5", "no room for it: No space left on device", "free some space"});
}

TEST(DatasetWriterErrors, FullDiskAtTheView) {
  const SmallDisk disk(256 << 10);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const RowPartition partition(11, 2);
  write_sample_shard(disk.path(), sample_info(), partition, 0);
  write_sample_shard(disk.path(), sample_info(), partition, 1);
  std::ofstream(disk.path() / "filler") << std::string(512 << 10, 'x');
  expect_user_error([&] { write_dataset_view(disk.path(), sample_info(), sample_types(), partition); },
                    {"activity.h5", "No space left on device"});
}

TEST(DatasetWriterErrors, FolderIsAFile) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "data") << "x";
  expect_user_error(
      [&] { DatasetShardWriter(folder.path() / "data", sample_info(), RowPartition(11, 1), 0); },
      {"data/shards", "cannot be made", "Not a directory"});
}

}  // namespace
}  // namespace weft
