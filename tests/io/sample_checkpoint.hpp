#pragma once

#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "weft/core/row_partition.hpp"
#include "weft/io/checkpoint.hpp"

#include "support/temporary_folder.hpp"

namespace weft {

/// Rows of an array with `columns` columns, whose every number tells its place, the array and the step.
template <typename T>
std::vector<T> numbers(std::int64_t first_row, std::int64_t rows, std::int64_t columns, std::int64_t step) {
  std::vector<T> values(static_cast<std::size_t>(rows * columns));
  std::iota(values.begin(), values.end(), static_cast<T>(1000 * step + first_row * columns));
  return values;
}

/// A state to save: this shard's rows of two arrays, and two arrays that all share.
class SampleState {
 public:
  SampleState(const RowPartition& partition, int shard, std::int64_t step);
  ModelArrays arrays() const;
  /// What the owner of the arrays does when it goes on.
  void overwrite();

 private:
  std::int64_t neurons_;
  std::int64_t own_;
  std::vector<float> connectivity_;
  std::vector<double> embedding_;
  std::vector<double> weights_;
  std::vector<std::int64_t> counter_;
};

/// Fails the running test unless the checkpoint holds the sample state of this step, its files are sound, and
/// there are no others in its folder.
void expect_sample(const std::filesystem::path& folder, std::int64_t step, std::int64_t neurons, int shards);

/// Names in a folder, sorted.
std::vector<std::string> names_in(const std::filesystem::path& folder);
/// Rows of a checkpoint's array.
std::vector<float> rows_of(const Checkpoint& checkpoint, const std::string& name, std::int64_t first,
                           std::int64_t rows, std::int64_t columns);
/// Puts another text in the place of the first such one in a file.
void replace_in(const std::filesystem::path& file, const std::string& old_text, const std::string& new_text);
/// Makes a manifest what a former version of the format had.
void make_manifest_older(const std::filesystem::path& manifest, int version);
/// Turns over one bit in the middle of a file.
void flip_a_bit(const std::filesystem::path& file);

/// What this process logs while this lives.
class KeptLog {
 public:
  KeptLog();
  ~KeptLog();
  std::string text() const;

 private:
  TemporaryFolder folder_;
};

}  // namespace weft
