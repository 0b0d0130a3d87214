#include <fstream>
#include <functional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

#include "sample_checkpoint.hpp"
#include "small_disk.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kNeurons = 200;

void save(const fs::path& root, std::int64_t step) {
  const std::vector<float> values(kNeurons * kNeurons, static_cast<float>(step));
  const std::vector<ArrayView> rows{{"connectivity", {kNeurons, kNeurons}, std::span(values)}};
  const auto alone = make_self_communicator();
  save_checkpoint(*alone, root, {step, kNeurons, "adam", "", ""}, RowPartition(kNeurons, 1), rows, {});
}

class CheckpointErrors : public testing::Test {
 protected:
  CheckpointErrors() { save(root(), 7); }
  const fs::path& root() const { return folder_.path(); }
  fs::path step_folder() const { return root() / "step_000000000007"; }
  fs::path manifest() const { return step_folder() / "manifest.json"; }
  void expect_refused(std::initializer_list<std::string_view> substrings) const {
    expect_user_error([&] { Checkpoint{step_folder()}; }, substrings);
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(CheckpointErrors, NoManifest) {
  fs::remove(manifest());
  expect_refused({"step_000000000007: no complete checkpoint", "manifest.json"});
}

TEST_F(CheckpointErrors, ManifestNotJson) {
  write_text_atomically(manifest(), "{\"format_version\": 1,\n");
  expect_refused({"manifest.json: not a manifest"});
}

TEST_F(CheckpointErrors, ManifestWithoutAKey) {
  replace_in(manifest(), "\"neurons\"", "\"neuronen\"");
  expect_refused({"manifest.json: not a manifest", "neurons"});
}

TEST_F(CheckpointErrors, FormatOfANewerVersion) {
  replace_in(manifest(), "\"format_version\": 3", "\"format_version\": 4");
  expect_refused({"manifest.json: format_version 4; expected at most 3", "version of weft"});
}

TEST_F(CheckpointErrors, FormatOfTheFirstVersionIsRead) {
  make_manifest_older(manifest(), 1);
  const Checkpoint checkpoint(step_folder());
  EXPECT_TRUE(checkpoint.info().complete);
  EXPECT_EQ(checkpoint.info().number, 0);
  EXPECT_EQ(rows_of(checkpoint, "connectivity", 199, 1, kNeurons), std::vector<float>(kNeurons, 7));
  save(root(), 8);
  EXPECT_EQ(latest_checkpoint(root()).filename(), "step_000000000008");
  EXPECT_EQ(Checkpoint(root() / "step_000000000008").info().number, 1);
}

TEST_F(CheckpointErrors, FormatOfTheSecondVersionIsRead) {
  make_manifest_older(manifest(), 2);
  const Checkpoint checkpoint(step_folder());
  EXPECT_TRUE(checkpoint.info().complete);
  EXPECT_EQ(checkpoint.info().number, 1);
}

TEST_F(CheckpointErrors, FormatOfTheNewVersionHasTheKeysOfTheNew) {
  replace_in(manifest(), "  \"complete\": true,\n", "");
  expect_refused({"manifest.json: not a manifest", "complete"});
}

TEST_F(CheckpointErrors, ManifestWithoutItsChecksum) {
  replace_in(manifest(), "manifest_xxh3", "manifest_xxh4");
  expect_refused({"manifest.json: not a manifest", "manifest_xxh3"});
}

/// Whatever a flipped bit makes of it: another step, another config, another version.
TEST_F(CheckpointErrors, ManifestWithAnyBitFlipped) {
  const std::string sound = read_text(manifest());
  const auto blank = [&](std::size_t at) { return std::isspace(static_cast<unsigned char>(sound[at])) != 0; };
  for (std::size_t at = 0; at < sound.size(); ++at) {
    std::string flipped = sound;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 7));
    if (blank(at)) continue;  // which space it is does not matter
    write_text_atomically(manifest(), flipped);
    EXPECT_THROW(Checkpoint{step_folder()}, UserError) << "byte " << at << " of\n" << flipped;
  }
}

struct Spoilt {
  const char* name;
  const char* old_text;
  const char* new_text;
  const char* told;
};

class SpoiltManifest : public CheckpointErrors, public testing::WithParamInterface<Spoilt> {};

TEST_P(SpoiltManifest, IsRefusedInALineThatNamesThePlace) {
  replace_in(manifest(), GetParam().old_text, GetParam().new_text);
  expect_refused({"manifest.json: ", GetParam().told});
}

INSTANTIATE_TEST_SUITE_P(
    All, SpoiltManifest,
    testing::Values(
        Spoilt{"NegativeStep", "\"step\": 7", "\"step\": -7", "`step` is no whole number from 0 to 99999"},
        Spoilt{"BrokenStep", "\"step\": 7", "\"step\": 7.5", "`step` is no whole number"},
        Spoilt{"StepBeyondAFoldersName", "\"step\": 7", "\"step\": 1000000000000", "`step` is no whole"},
        Spoilt{"StepBeyondAllNumbers", "\"step\": 7", "\"step\": 18446744073709551615", "`step` is no whole"},
        Spoilt{"StepBeyondAllFloats", "\"step\": 7", "\"step\": 1e999", "not a manifest"},
        Spoilt{"NoNeurons", "\"neurons\": 200", "\"neurons\": 0", "`neurons` is no whole number from 1"},
        Spoilt{"OtherNeurons", "\"neurons\": 200", "\"neurons\": 9223372036854775807", "hold 200 rows"},
        Spoilt{"NegativeBytes", "\"bytes\": 16", "\"bytes\": -16", "`bytes` is no whole number"},
        Spoilt{"NegativeRow", "\"row_begin\": 0", "\"row_begin\": -1", "`row_begin` is no whole number"},
        Spoilt{"TooManyRows", "\"row_end\": 200", "\"row_end\": 9223372036854775807", "hold 92233"},
        Spoilt{"NegativeNumber", "\"number\": 1", "\"number\": -1", "`number` is no whole number"},
        Spoilt{"TextForATruth", "\"complete\": true", "\"complete\": \"yes\"", "not a manifest"},
        Spoilt{"NumberForAText", "\"method\": \"adam\"", "\"method\": 7", "not a manifest"},
        Spoilt{"VersionOfNone", "\"format_version\": 3", "\"format_version\": 0", "`format_version` is no"},
        Spoilt{"NameOutOfTheFolder", "shard_r0000", "../../secret", "file 0 of `files` is not shard_r0000"},
        Spoilt{"NameOfAnotherCount", "_of_0001", "_of_0002", "file 0 of `files` is not shard_r0000_of_0001"},
        Spoilt{"NoCommonFile", "common.h5", "manifest.json", "file 1 of `files` is not common.h5"},
        Spoilt{"ChecksumTooLong", "\"xxh3\": \"", "\"xxh3\": \"0", "`xxh3` is not 16 hexadecimal digits"},
        Spoilt{"ChecksumOfOtherDigits", "\"xxh3\": \"", "\"xxh3\": \"0x",
               "`xxh3` is not 16 hexadecimal digits"},
        Spoilt{"FilesOfAnotherKind", "\"files\": [", "\"files\": 7, \"others\": [", "`files` is no list"},
        Spoilt{"NoFiles", "\"files\": [", "\"files\": [], \"others\": [", "`files` is no list"},
        Spoilt{"FindingsOfAnotherKind", "\"findings\": {}", "\"findings\": []", "`findings` is no object"},
        Spoilt{"BytesThatAreNoText", "adam", "\xff\xfe", "not a manifest"}),
    [](const auto& spoilt) { return spoilt.param.name; });

TEST_F(CheckpointErrors, ManifestThatIsNoObject) {
  write_text_atomically(manifest(), "[1, 2]");
  expect_refused({"manifest.json: not a manifest: no object"});
}

TEST_F(CheckpointErrors, ManifestOfABottomlessDepth) {
  write_text_atomically(manifest(), "{\"findings\": " + std::string(1 << 20, '['));
  expect_refused({"manifest.json: not a manifest: more than 64 levels"});
}

TEST_F(CheckpointErrors, ManifestOfABoundlessSize) {
  fs::resize_file(manifest(), std::uintmax_t{1} << 40);
  expect_refused({"manifest.json: not a manifest: 1099511627776 bytes"});
}

TEST_F(CheckpointErrors, ManifestThatIsAFolder) {
  fs::remove(manifest());
  fs::create_directory(manifest());
  expect_refused({"manifest.json: cannot be read"});
}

TEST_F(CheckpointErrors, MessageOfALongDamagedManifestIsShort) {
  write_text_atomically(manifest(), "{\"step\": \"" + std::string(1 << 16, 'x') + "\n");
  expect_refused({"not a manifest"});
  try {
    Checkpoint{step_folder()};
  } catch (const UserError& error) {
    EXPECT_LT(std::string(error.what()).size(), 500);
  }
}

TEST_F(CheckpointErrors, RowsMissing) {
  replace_in(manifest(), "\"row_end\": 200", "\"row_end\": 199");
  expect_refused({"its shards hold 199 rows; expected 200 rows"});
  replace_in(manifest(), "\"row_begin\": 0", "\"row_begin\": 1");
  expect_refused({"shard_r0000_of_0001.h5 begins at row 1; expected row 0"});
}

TEST_F(CheckpointErrors, TruncatedShard) {
  const fs::path shard = step_folder() / "shard_r0000_of_0001.h5";
  fs::resize_file(shard, 1000);
  expect_refused({"shard_r0000_of_0001.h5: 1000 bytes; expected 16", "use another checkpoint"});
}

TEST_F(CheckpointErrors, MissingFile) {
  fs::remove(step_folder() / "common.h5");
  expect_refused({"common.h5: missing from the checkpoint"});
}

TEST_F(CheckpointErrors, DamagedCommonFile) {
  std::string bytes = read_text(step_folder() / "common.h5");
  bytes.back() = static_cast<char>(bytes.back() ^ 0x40);
  write_text_atomically(step_folder() / "common.h5", bytes);
  expect_user_error([&] { Checkpoint(step_folder()).verify(); }, {"common.h5: damaged"});
}

TEST_F(CheckpointErrors, UnknownArray) {
  const Checkpoint checkpoint(step_folder());
  std::vector<float> row(1);
  expect_user_error([&] { checkpoint.read_rows("adam/m", GlobalRow{0}, 1, row); }, {"no dataset adam/m"});
  expect_user_error([&] { checkpoint.read_common("psi"); }, {"common.h5: no dataset psi"});
}

TEST_F(CheckpointErrors, AFileIsNotGivenToHdf5UnlessItsBytesAreRight) {
  // HDF5 is never asked what it makes of this.
  const fs::path shard = step_folder() / "shard_r0000_of_0001.h5";
  write_text_atomically(shard, std::string(fs::file_size(shard), 'x'));
  const Checkpoint checkpoint(step_folder());
  expect_user_error([&] { rows_of(checkpoint, "connectivity", 0, 1, kNeurons); }, {"shard_r0000", "damaged"});
  expect_user_error([&] { checkpoint.has("connectivity"); }, {"shard_r0000", "damaged"});
  expect_user_error([&] { checkpoint.arrays(); }, {"shard_r0000", "damaged"});
}

/// Makes a file of the checkpoint anew by `write`, with a manifest (of a version without a checksum of
/// itself) that describes it rightly.
void write_anew(const fs::path& folder, const std::string& name,
                const std::function<void(const hdf5::File&)>& write) {
  const auto former = fs::file_size(folder / name);
  const std::string former_xxh3 = file_checksum(folder / name);
  hdf5::File file = hdf5::File::create(folder / name);
  write(file);
  file.close();
  replace_in(folder / "manifest.json", fmt::format("\"bytes\": {}", former),
             fmt::format("\"bytes\": {}", fs::file_size(folder / name)));
  replace_in(folder / "manifest.json", former_xxh3, file_checksum(folder / name));
  make_manifest_older(folder / "manifest.json", 2);
}

TEST_F(CheckpointErrors, ShardWithOtherRowsThanItsManifestSays) {
  write_anew(step_folder(), "shard_r0000_of_0001.h5", [](const hdf5::File& file) {
    file.create_dataset<float>("connectivity", {199, kNeurons});
    file.create_dataset<float>("scalar", {});
  });
  const Checkpoint checkpoint(step_folder());
  expect_user_error([&] { rows_of(checkpoint, "connectivity", 0, 1, kNeurons); },
                    {"connectivity: 199 rows; expected 200 rows, as in the manifest"});
  expect_user_error([&] { rows_of(checkpoint, "scalar", 0, 1, 1); }, {"scalar: 0 rows; expected 200 rows"});
  expect_user_error([&] { checkpoint.arrays(); }, {"connectivity: 199 rows"});
}

TEST_F(CheckpointErrors, ArrayLargerThanItsFile) {
  write_anew(step_folder(), "common.h5", [](const hdf5::File& file) {
    const std::vector<hdf5::VirtualSource> nothing;
    file.create_virtual_dataset("huge", {std::int64_t{1} << 40, std::int64_t{1} << 40}, nothing);
    file.create_virtual_dataset("large", {std::int64_t{1} << 33}, nothing);
  });
  const Checkpoint checkpoint(step_folder());
  expect_user_error([&] { checkpoint.read_common("huge"); }, {"huge: no array of numbers that the file has"});
  expect_user_error([&] { checkpoint.read_common("large"); },
                    {"large: no array of numbers that the file has"});
}

TEST_F(CheckpointErrors, NoLatest) {
  fs::remove(root() / "latest");
  EXPECT_EQ(latest_checkpoint(root()), step_folder());
  fs::remove_all(step_folder());
  expect_user_error([&] { latest_checkpoint(root()); }, {root().native(), "no checkpoint", "train first"});
  expect_user_error([&] { latest_checkpoint(root() / "none"); }, {"none", "no checkpoint", "train first"});
}

TEST_F(CheckpointErrors, TheLatestIsNotPassedOverWhereItIsDamaged) {
  save(root(), 9);
  fs::remove(root() / "step_000000000009" / "manifest.json");
  EXPECT_EQ(latest_checkpoint(root()).filename(), "step_000000000009");
}

TEST_F(CheckpointErrors, RootIsAFile) {
  std::ofstream(root() / "file") << "x";
  expect_user_error([&] { save(root() / "file", 1); }, {"file", "cannot be made", "Not a directory"});
}

TEST(CheckpointOnASmallDisk, FailsAndLeavesTheFormerValid) {
  const SmallDisk disk(600 << 10);  // three checkpoints of 170 KB and a part of a fourth
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  save(disk.path(), 1);
  save(disk.path(), 2);
  std::ofstream(disk.path() / "filler") << std::string(150 << 10, 'x');
  expect_user_error([&] { save(disk.path(), 3); },
                    {"shard_r0000_of_0001.h5: no room for it", "No space left on device", "free some space"});
  EXPECT_FALSE(fs::exists(disk.path() / "step_000000000003.tmp"));
  EXPECT_EQ(latest_checkpoint(disk.path()).filename(), "step_000000000002");
  Checkpoint(disk.path() / "step_000000000001").verify();
  Checkpoint(disk.path() / "step_000000000002").verify();
  fs::remove(disk.path() / "filler");
  save(disk.path(), 3);
  EXPECT_EQ(latest_checkpoint(disk.path()).filename(), "step_000000000003");
}

}  // namespace
}  // namespace weft
