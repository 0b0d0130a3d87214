#include "weft/io/hdf5.hpp"

#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "small_disk.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

TEST(Hdf5, BlocksOfEveryNumberComeBack) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.h5";
  hdf5::File writing = hdf5::File::create(path);
  writing.create_dataset<float>("/a/b/floats", {4, 3})
      .write({1, 1}, {2, 2}, std::span<const float>({1, 2, 3, 4}));
  writing.create_dataset<double>("doubles", {2}).write({0}, {2}, std::span<const double>({0.1, 1e300}));
  writing.create_dataset<std::int64_t>("integers", {})
      .write({}, {}, std::span<const std::int64_t>({1L << 60}));
  writing.close();

  const hdf5::File reading = hdf5::File::open(path);
  EXPECT_EQ(reading.dataset_names(), (std::vector<std::string>{"a/b/floats", "doubles", "integers"}));
  std::vector<double> block(2);
  reading.dataset("/a/b/floats").read({1, 2}, {2, 1}, std::span(block));
  EXPECT_EQ(block, (std::vector<double>{2, 4}));
  EXPECT_EQ(reading.dataset("doubles").read_all<double>(), (std::vector<double>{0.1, 1e300}));
  EXPECT_EQ(reading.dataset("integers").read_all<std::int64_t>(), std::vector<std::int64_t>{1L << 60});
}

TEST(Hdf5, PartsOfALargeArrayMeet) {
  const TemporaryFolder folder;
  const std::int64_t rows = 20'000;
  const std::int64_t columns = 1'000;  // 80 MB: more than one part
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  std::iota(values.begin(), values.end(), 0.0F);
  hdf5::File file = hdf5::File::create(folder.path() / "a.h5");
  file.create_dataset<float>("x", {rows, columns})
      .write({0, 0}, {rows, columns}, std::span<const float>(values));
  file.close();
  EXPECT_TRUE(hdf5::File::open(folder.path() / "a.h5").dataset("x").read_all<float>() == values);
}

TEST(Hdf5, AttributesLargerThanAnObjectHeaderComeBack) {
  const TemporaryFolder folder;
  const std::string text(200'000, 'y');
  const std::vector<std::int64_t> numbers(50'000, 7);
  hdf5::File writing = hdf5::File::create(folder.path() / "a.h5");
  writing.attributes().write("text", text);
  writing.attributes().write("empty", std::string());
  writing.attributes().write("numbers", std::span<const std::int64_t>(numbers));
  writing.close();
  const hdf5::File reading = hdf5::File::open(folder.path() / "a.h5");
  EXPECT_EQ(reading.attributes().read_text("text"), text);
  EXPECT_TRUE(reading.attributes().has("empty"));
  EXPECT_EQ(reading.attributes().read_text("empty"), "");
  EXPECT_EQ(reading.attributes().read<std::int64_t>("numbers"), numbers);
}

TEST(Hdf5, BlockOutsideIsABug) {
  const TemporaryFolder folder;
  const hdf5::File file = hdf5::File::create(folder.path() / "a.h5");
  const hdf5::Dataset dataset = file.create_dataset<float>("x", {2, 2});
  std::vector<float> values(2);
  EXPECT_THROW(dataset.read({1, 1}, {1, 2}, std::span(values)), InternalError);
  EXPECT_THROW(dataset.write({0, 0}, {2, 2}, std::span<const float>(values)), InternalError);
}

TEST(Hdf5, FolderOfANewFileMustExist) {
  const TemporaryFolder folder;
  expect_user_error([&] { hdf5::File::create(folder.path() / "none" / "a.h5"); },
                    {"none/a.h5: cannot be made: No such file or directory"});
}

TEST(Hdf5, FullDiskAtAWrite) {
  const SmallDisk disk(64 << 10);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const hdf5::File file = hdf5::File::create(disk.path() / "a.h5");
  const std::vector<float> values(100'000);
  const hdf5::Dataset dataset = file.create_dataset<float>("x", {100'000});
  expect_user_error([&] { dataset.write({0}, {100'000}, std::span<const float>(values)); },
                    {"a.h5:x: cannot be written: No space left on device", "free some space"});
}

/// HDF5 holds such objects in memory until it closes the file.
TEST(Hdf5, FullDiskAtClose) {
  const SmallDisk disk(64 << 10);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  hdf5::File file = hdf5::File::create(disk.path() / "a.h5");
  for (int i = 0; i < 500; ++i) file.create_dataset<float>(fmt::format("group_{}/x", i), {0});
  expect_user_error([&] { file.close(); }, {"a.h5: no room for it: No space left on device"});
}

TEST(Hdf5, FullDiskUnderAFileThatIsGivenUp) {
  const SmallDisk disk(64 << 10);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const hdf5::File file = hdf5::File::create(disk.path() / "a.h5");
  for (int i = 0; i < 500; ++i) file.create_dataset<float>(fmt::format("group_{}/x", i), {0});
}

}  // namespace
}  // namespace weft
