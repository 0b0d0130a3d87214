#include "weft/io/checkpoint.hpp"

#include <cctype>
#include <numeric>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

constexpr std::int64_t kNeurons = 13;

/// Rows of an array with `columns` columns, whose every number tells its place, the array and the step.
template <typename T>
std::vector<T> numbers(std::int64_t first_row, std::int64_t rows, std::int64_t columns, std::int64_t step) {
  std::vector<T> values(static_cast<std::size_t>(rows * columns));
  std::iota(values.begin(), values.end(), static_cast<T>(1000 * step + first_row * columns));
  return values;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& entry : list_folder(folder)) names.push_back(entry.filename());
  return names;
}

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

std::vector<float> rows_of(const Checkpoint& checkpoint, const std::string& name, std::int64_t first,
                           std::int64_t rows, std::int64_t columns) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  checkpoint.read_rows(name, GlobalRow{first}, rows, values);
  return values;
}

class CheckpointOfAllRanks : public testing::Test {
 protected:
  void save(std::int64_t step, int keep = 2) {
    const std::int64_t begin = partition_.begin(world_.rank());
    const std::int64_t own = partition_.size(world_.rank());
    const auto connectivity = numbers<float>(begin, own, kNeurons, step);
    const auto embedding = numbers<double>(begin, own, 2, step);
    const std::vector<double> weights{0.5, 0.25, static_cast<double>(step), 4, 5, 6};
    const std::vector<std::int64_t> counter{1L << 40};
    const std::vector<ArrayView> rows{{"adam/connectivity/m", {own, kNeurons}, std::span(connectivity)},
                                      {"embedding", {own, 2}, std::span(embedding)}};
    const std::vector<ArrayView> common{{"psi/weight", {2, 3}, std::span(weights)},
                                        {"counter", {}, std::span(counter)}};
    save_checkpoint(world_, root(), {step, kNeurons, "adam", "cafe", "0.1.0"}, partition_, rows, common,
                    keep);
    world_.barrier();
  }
  fs::path root() const { return folder_.path() / "checkpoints"; }
  fs::path folder(std::int64_t step) const { return root() / fmt::format("step_{:012}", step); }

  void expect_valid(std::int64_t step) const {
    const Checkpoint checkpoint(folder(step));
    EXPECT_NO_THROW(checkpoint.verify());
    EXPECT_EQ(rows_of(checkpoint, "adam/connectivity/m", 0, kNeurons, kNeurons),
              numbers<float>(0, kNeurons, kNeurons, step));
  }

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
    std::string text = read_text(folder(1) / "manifest.json");
    const std::string findings = ",\n  \"findings\": {}";
    ASSERT_NE(text.find(findings), std::string::npos);
    write_text_atomically(folder(1) / "manifest.json", text.erase(text.find(findings), findings.size()));
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
  EXPECT_TRUE(checkpoint.has("embedding") && checkpoint.has("psi/weight"));
  EXPECT_FALSE(checkpoint.has("phi/weight"));
  EXPECT_EQ(checkpoint.read_common("psi/weight"), (std::vector<double>{0.5, 0.25, 12, 4, 5, 6}));
  EXPECT_EQ(checkpoint.read_common("counter"), std::vector<double>{static_cast<double>(1L << 40)});
  const std::map<std::string, std::vector<std::int64_t>> shapes{{"adam/connectivity/m", {kNeurons, kNeurons}},
                                                                {"embedding", {kNeurons, 2}},
                                                                {"psi/weight", {2, 3}},
                                                                {"counter", {}}};
  EXPECT_EQ(checkpoint.arrays(), shapes);
}

TEST_F(CheckpointOfAllRanks, HasOneShardARankAndNothingElse) {
  save(12);
  std::vector<std::string> expected{"common.h5", "manifest.json"};
  for (int rank = 0; rank < world_.size(); ++rank) {
    expected.push_back(fmt::format("shard_r{:04}_of_{:04}.h5", rank, world_.size()));
  }
  EXPECT_EQ(names_in(folder(12)), expected);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000012"));
}

TEST_F(CheckpointOfAllRanks, KeepsTheNewest) {
  for (const std::int64_t step : {5, 10, 100, 1000}) save(step);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000100", "step_000000001000"));
  EXPECT_EQ(latest_checkpoint(root()), folder(1000));
  expect_valid(100);
  expect_valid(1000);
}

TEST_F(CheckpointOfAllRanks, OfAnEarlierStepIsTheLatestAndStays) {
  save(900);
  save(800);
  save(100);
  EXPECT_THAT(names_in(root()), ElementsAre("latest", "step_000000000100", "step_000000000900"));
  EXPECT_EQ(latest_checkpoint(root()), folder(100));
}

TEST_F(CheckpointOfAllRanks, TakesThePlaceOfOneOfTheSameStep) {
  save(3, 1);
  if (world_.rank() == 0) write_text_atomically(folder(3) / "manifest.json", "{}");
  world_.barrier();
  save(3, 1);
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

TEST_F(CheckpointOfAllRanks, LatestThatCannotBeReplacedThrowsOnAllRanks) {
  save(1);
  if (world_.rank() == 0) {
    fs::remove(root() / "latest");
    fs::create_directory(root() / "latest");
  }
  world_.barrier();
  expect_user_error([&] { save(2); }, {"latest: latest.tmp cannot be given this name", "Is a directory"});
  expect_valid(1);
}

TEST_F(CheckpointOfAllRanks, DamageIsFoundAndTheFileNamed) {
  save(1);
  const std::string name = fmt::format("shard_r{:04}_of_{:04}.h5", world_.size() - 1, world_.size());
  if (world_.rank() == 0) {
    std::string bytes = read_text(folder(1) / name);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_text_atomically(folder(1) / name, bytes);
  }
  world_.barrier();
  expect_user_error([&] { Checkpoint(folder(1)).verify(); }, {name, "damaged", "use another checkpoint"});
}

}  // namespace
}  // namespace weft
