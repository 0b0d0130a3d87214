#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/io/dataset.hpp"

#include "python.hpp"
#include "sample_dataset.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

using testing::HasSubstr;

/// Checks, with h5py, all that the sample holds; prints its attributes.
std::string h5py_check(const std::filesystem::path& file) {
  return fmt::format(R"(
import h5py, numpy as np
f = h5py.File('{}', 'r')
t, i = np.arange(7)[:, None], np.arange(11)
x = t + i / 64
assert f['activity'].dtype == np.float32 and np.array_equal(f['activity'][:], x)
assert np.array_equal(f['derivative'][:], -x)
assert np.array_equal(f['truth/connectivity'][:], 100 + np.arange(11)[:, None] + i / 64)
assert f['truth/neuron_type'].dtype == np.int64 and np.array_equal(f['truth/neuron_type'][:], i // 4)
assert np.array_equal(f['truth/parameters'][:], [[10, 1, 1], [5, 2, .5], [2.5, 4, .25]])
assert list(f['truth/parameters'].attrs['columns']) == ['g', 's', 'c']
assert list(f['activity'].attrs['dims']) == ['time', 'neuron'] == list(f['derivative'].attrs['dims'])
assert list(f['truth/connectivity'].attrs['dims']) == ['post', 'pre']
assert all('units' in f[name].attrs for name in ['activity', 'derivative', 'truth/connectivity'])
assert f.attrs['dt'] == 0.25 and list(f.attrs['trajectory_starts']) == [0, 3]
assert f.attrs['config'] == 'name: sample\nunit: \u00b5V\n'
print(f.attrs['config_hash'], f.attrs['version'])
)",
                     file.string());
}

TEST(DatasetInH5py, IsPlainArraysFromAnyWorkingDirectory) {
  const TemporaryFolder folder;
  const TemporaryFolder elsewhere;
  const std::filesystem::path file = write_sample(folder.path(), sample_info(), 3);
  EXPECT_EQ(run_python(h5py_check(file), elsewhere.path()), "0123456789abcdef 0.1.0 (abc)\n");
  EXPECT_EQ(run_python(h5py_check("activity.h5"), folder.path()), "0123456789abcdef 0.1.0 (abc)\n");
}

TEST(DatasetInH5py, SurvivesAMoveOfItsFolder) {
  const TemporaryFolder folder;
  const TemporaryFolder elsewhere;
  std::filesystem::create_directory(folder.path() / "data.tmp");
  write_sample(folder.path() / "data.tmp", sample_info(), 3);
  std::filesystem::rename(folder.path() / "data.tmp", elsewhere.path() / "data");
  const std::filesystem::path file = elsewhere.path() / "data" / "activity.h5";
  EXPECT_EQ(run_python(h5py_check(file), folder.path()), "0123456789abcdef 0.1.0 (abc)\n");
  EXPECT_EQ(Dataset(file).read_activity(0, 7, 0, 11), sample_activity(0, 7, 0, 11));
}

TEST(DatasetInH5py, ShowsNaNWhereAShardIsGone) {
  const TemporaryFolder folder;
  const std::filesystem::path file = write_sample(folder.path(), sample_info(), 3);
  std::filesystem::remove(folder.path() / "shards" / "rank_00001.h5");
  const std::string script =
      fmt::format("import h5py, numpy as np\nprint(np.isnan(h5py.File('{}')['activity'][0]))", file.string());
  EXPECT_EQ(run_python(script, folder.path()),
            "[False False False False  True  True  True  True False False False]\n");
}

TEST(DatasetInH5dump, ShowsItsValues) {
  const TemporaryFolder folder;
  const TemporaryFolder elsewhere;
  const std::filesystem::path file = write_sample(folder.path(), sample_info(), 3);
  const std::string element =
      run_command("h5dump -d /activity -s 6,8 -c 1,1 " + file.string(), elsewhere.path());
  EXPECT_THAT(element, HasSubstr("(6,8): 6.125"));
}

TEST(RecordingOfH5py, NeedsActivityAndDtOnly) {
  const TemporaryFolder folder;
  run_python(R"(
import h5py, numpy as np
with h5py.File('recording.h5', 'w') as f:
    f['activity'] = np.arange(12.0).reshape(4, 3)
    f.attrs['dt'] = 0.5
)",
             folder.path());
  const Dataset dataset(folder.path() / "recording.h5");
  EXPECT_EQ(dataset.info().frames, 4);
  EXPECT_EQ(dataset.info().neurons, 3);
  EXPECT_EQ(dataset.info().dt, 0.5);
  EXPECT_EQ(dataset.info().trajectory_starts, std::vector<std::int64_t>{0});
  EXPECT_FALSE(dataset.info().has_derivative || dataset.info().has_truth);
  EXPECT_TRUE(dataset.info().config.empty() && dataset.info().config_hash.empty());
  EXPECT_EQ(dataset.read_activity(1, 2, 1, 2), (std::vector<float>{4, 5, 7, 8}));
}

TEST(RecordingOfH5py, MayHoldWholeNumbersInCompressedChunks) {
  const TemporaryFolder folder;
  run_python(R"(
import h5py, numpy as np
with h5py.File('recording.h5', 'w') as f:
    f.create_dataset('activity', data=np.arange(-6, 6, dtype=np.int16).reshape(4, 3), chunks=(2, 2), compression='gzip')
    f['dt'] = 2
    f['trajectory_starts'] = np.array([0, 2], dtype=np.int32)
)",
             folder.path());
  const Dataset dataset(folder.path() / "recording.h5");
  EXPECT_EQ(dataset.info().dt, 2);
  EXPECT_EQ(dataset.info().trajectory_starts, (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(dataset.read_activity(0, 4, 2, 1), (std::vector<float>{-4, -1, 2, 5}));
}

TEST(RecordingOfH5py, MayHaveDtOnTheActivity) {
  const TemporaryFolder folder;
  run_python(R"(
import h5py, numpy as np
with h5py.File('recording.h5', 'w') as f:
    f['activity'] = np.ones((4, 3), dtype='>f4')
    f['activity'].attrs['dt'] = np.array([0.125], dtype=np.float32)
    f['activity'].attrs['trajectory_starts'] = [0, 1]
)",
             folder.path());
  const Dataset dataset(folder.path() / "recording.h5");
  EXPECT_EQ(dataset.info().dt, 0.125);
  EXPECT_EQ(dataset.info().trajectory_starts, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(dataset.read_activity(3, 1, 0, 3), (std::vector<float>{1, 1, 1}));
}

}  // namespace
}  // namespace weft
