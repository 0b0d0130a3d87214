#include <fstream>

#include <gtest/gtest.h>

#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"

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

void replace_in(const fs::path& file, const std::string& old_text, const std::string& new_text) {
  std::string text = read_text(file);
  ASSERT_NE(text.find(old_text), text.npos);
  write_text_atomically(file, text.replace(text.find(old_text), old_text.size(), new_text));
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

TEST_F(CheckpointErrors, FormatOfAnotherVersion) {
  replace_in(manifest(), "\"format_version\": 1", "\"format_version\": 2");
  expect_refused({"manifest.json: format_version 2; expected 1", "version of weft"});
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

TEST_F(CheckpointErrors, NoLatest) {
  fs::remove(root() / "latest");
  expect_user_error([&] { latest_checkpoint(root()); }, {root().native(), "no checkpoint", "train first"});
}

TEST_F(CheckpointErrors, LatestNamesNoStep) {
  write_text_atomically(root() / "latest", "../other\n");
  expect_user_error([&] { latest_checkpoint(root()); }, {"latest: it names `../other`"});
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
