#include "sample_checkpoint.hpp"

#include <span>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weft/core/log.hpp"
#include "weft/io/files.hpp"

namespace weft {

namespace fs = std::filesystem;

SampleState::SampleState(const RowPartition& partition, int shard, std::int64_t step)
    : neurons_(partition.rows()),
      own_(partition.size(shard)),
      connectivity_(numbers<float>(partition.begin(shard), own_, neurons_, step)),
      embedding_(numbers<double>(partition.begin(shard), own_, 2, step)),
      weights_{0.5, 0.25, static_cast<double>(step), 4, 5, 6},
      counter_{(1L << 60) + step} {}

ModelArrays SampleState::arrays() const {
  return {{{"adam/connectivity/m", {own_, neurons_}, std::span(connectivity_)},
           {"embedding", {own_, 2}, std::span(embedding_)}},
          {{"psi/weight", {2, 3}, std::span(weights_)}, {"counter", {}, std::span(counter_)}}};
}

void SampleState::overwrite() {
  connectivity_.assign(connectivity_.size(), -1);
  embedding_.assign(embedding_.size(), -1);
  weights_.assign(weights_.size(), -1);
  counter_.assign(1, -1);
}

void expect_sample(const fs::path& folder, std::int64_t step, std::int64_t neurons, int shards) {
  const Checkpoint checkpoint(folder);
  EXPECT_NO_THROW(checkpoint.verify());
  EXPECT_EQ(checkpoint.info().step, step);
  EXPECT_EQ(rows_of(checkpoint, "adam/connectivity/m", 0, neurons, neurons),
            numbers<float>(0, neurons, neurons, step));
  EXPECT_EQ(rows_of(checkpoint, "embedding", 0, neurons, 2), numbers<float>(0, neurons, 2, step));
  EXPECT_EQ(checkpoint.read_common("psi/weight"),
            (std::vector<double>{0.5, 0.25, static_cast<double>(step), 4, 5, 6}));
  EXPECT_EQ(checkpoint.read_common_int64("counter"), std::vector<std::int64_t>{(1L << 60) + step});
  std::vector<std::string> files{"common.h5", "manifest.json"};
  for (int rank = 0; rank < shards; ++rank)
    files.push_back(fmt::format("shard_r{:04}_of_{:04}.h5", rank, shards));
  EXPECT_EQ(names_in(folder), files);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& entry : list_folder(folder)) names.push_back(entry.filename());
  return names;
}

std::vector<float> rows_of(const Checkpoint& checkpoint, const std::string& name, std::int64_t first,
                           std::int64_t rows, std::int64_t columns) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  checkpoint.read_rows(name, GlobalRow{first}, rows, values);
  return values;
}

void replace_in(const fs::path& file, const std::string& old_text, const std::string& new_text) {
  std::string text = read_text(file);
  ASSERT_NE(text.find(old_text), text.npos) << old_text;
  write_text_atomically(file, text.replace(text.find(old_text), old_text.size(), new_text));
}

void make_manifest_older(const fs::path& manifest, int version) {
  auto json = nlohmann::ordered_json::parse(read_text(manifest));
  json["format_version"] = version;
  json.erase("manifest_xxh3");
  if (version == 1) {
    json.erase("complete");
    json.erase("number");
  }
  write_text_atomically(manifest, json.dump(2));
}

void flip_a_bit(const fs::path& file) {
  std::string bytes = read_text(file);
  char& middle = bytes[bytes.size() / 2];
  middle = static_cast<char>(middle ^ 1);
  write_text_atomically(file, bytes);
}

KeptLog::KeptLog() { log_to_file(folder_.path() / "log"); }
KeptLog::~KeptLog() { log_to_file("/dev/null"); }
std::string KeptLog::text() const { return read_text(folder_.path() / "log"); }

}  // namespace weft
