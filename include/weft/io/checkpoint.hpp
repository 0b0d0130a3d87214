#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// An array to save, in the memory of its owner.
struct ArrayView {
  std::string name;  ///< path inside the file, such as "adam/connectivity/m"
  std::vector<std::int64_t> shape;
  std::variant<std::span<const float>, std::span<const double>, std::span<const std::int64_t>> values;
};

/// What a checkpoint of a trained model holds.
struct ModelArrays {
  std::vector<ArrayView> rows;    ///< first axis: the rows of this shard
  std::vector<ArrayView> common;  ///< the same on every rank
};

/// What all checkpoints say of themselves, in manifest.json.
struct CheckpointInfo {
  std::int64_t step = 0;
  std::int64_t neurons = 0;
  std::string method;       ///< the training method
  std::string config_hash;  ///< stage_hash of the training
  std::string version;
  /// What the training found out about itself and the data: a JSON object, groups of metrics.json by name.
  std::string findings = "{}";
};

/// Writes `<root>/step_<12 digits>/`: shard_r0003_of_0008.h5 (each rank's rows), common.h5 (rank 0),
/// manifest.json last with bytes, xxh3 and rows of each file; everything under a .tmp name, synced, then
/// renamed; `<root>/latest` then names it, and older checkpoints beyond the newest `keep` are removed. `rows`
/// are arrays whose first axis is this shard's rows.
/// @collective over the ranks of one replica. @throws UserError on all ranks where one cannot write; what was
/// there before stays valid.
void save_checkpoint(Communicator& group, const std::filesystem::path& root, const CheckpointInfo& info,
                     const RowPartition& partition, std::span<const ArrayView> rows,
                     std::span<const ArrayView> common, int keep = 2);

/// A checkpoint open for reading, from any number of ranks, whatever number wrote it. Local.
class Checkpoint {
 public:
  /// `folder` is a step folder. @throws UserError where it is incomplete, of another format, or a file's size
  /// is not the manifest's.
  explicit Checkpoint(const std::filesystem::path& folder);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;

  const CheckpointInfo& info() const;
  const std::filesystem::path& folder() const;
  /// @throws UserError unless the model in it has so many neurons.
  void require_neurons(std::int64_t neurons) const;
  bool has(const std::string& name) const;
  /// Rows [first_row, first_row + rows) of an array of the shards, whichever files hold them, straight into
  /// `values`: row-major, `values.size() / rows` numbers a row. @throws UserError where there is no such
  /// array or its rows are of another length.
  void read_rows(const std::string& name, GlobalRow first_row, std::int64_t rows,
                 std::span<float> values) const;
  void read_rows(const std::string& name, GlobalRow first_row, std::int64_t rows,
                 std::span<double> values) const;
  /// An array of common.h5, flattened, converted to double.
  std::vector<double> read_common(const std::string& name) const;
  /// Names of all arrays with their shapes and the file(s) that hold them, for `weft inspect`.
  std::map<std::string, std::vector<std::int64_t>> arrays() const;
  /// Recomputes every file's xxh3. @throws UserError that names the file that differs.
  void verify() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The folder that `<root>/latest` names. @throws UserError where there is none.
std::filesystem::path latest_checkpoint(const std::filesystem::path& root);

}  // namespace weft
