#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
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

/// What a checkpoint of a model or of a state under way holds.
struct ModelArrays {
  std::vector<ArrayView> rows;    ///< first axis: the rows of this shard
  std::vector<ArrayView> common;  ///< the same on every rank
};

/// What all checkpoints say of themselves, in manifest.json.
struct CheckpointInfo {
  std::int64_t step = 0;  ///< fewer than 10^12
  std::int64_t neurons = 0;
  std::string method;       ///< the training method
  std::string config_hash;  ///< stage_hash of the training
  std::string version;
  /// What the training found out about itself and the data: a JSON object, groups of metrics.json by name.
  std::string findings = "{}";
  bool complete = true;     ///< a finished model; false: a state under way, to resume from
  std::int64_t number = 0;  ///< 1, 2, ... since the start of the work; 0 in those of a former format
};

/// Which of the checkpoints before the current one stay.
struct Retention {
  std::int64_t keep = 2;   ///< so many of the newest, the current one among them
  std::int64_t major = 0;  ///< and every one whose number is a multiple of this; 0: none
};

/// Writes `<root>/step_<12 digits>/`: shard_r0003_of_0008.h5 (each rank's rows), common.h5 (rank 0),
/// manifest.json last with bytes, xxh3 and rows of each file; everything under a .tmp name, synced, then
/// renamed; `<root>/latest` then names it, and older checkpoints go as `retention` says. Where `info.number`
/// is 0 it becomes the one after the highest there; otherwise those of the same or a higher number belong to
/// a course that was given up, and go too.
/// Where only what is behind the new name fails, `latest` or a removal, a warning says so.
/// @collective over the ranks of one replica. @throws UserError on all ranks where one cannot write; what was
/// there before stays valid.
void save_checkpoint(Communicator& group, const std::filesystem::path& root, const CheckpointInfo& info,
                     const RowPartition& partition, std::span<const ArrayView> rows,
                     std::span<const ArrayView> common, const Retention& retention = {});

/// A checkpoint open for reading, from any number of ranks, whatever number wrote it. A file's xxh3 is
/// checked before the first array is read from it. Local.
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
  /// The shape of an array: in the shards that of the whole, its first axis the neurons. @throws UserError
  /// where there is no such array.
  std::vector<std::int64_t> shape_of(const std::string& name) const;
  /// Rows [first_row, first_row + rows) of an array of the shards, whichever files hold them, straight into
  /// `values`: row-major, `values.size() / rows` numbers a row. @throws UserError where there is no such
  /// array, its rows are of another length, or a file is damaged.
  void read_rows(const std::string& name, GlobalRow first_row, std::int64_t rows,
                 std::span<float> values) const;
  void read_rows(const std::string& name, GlobalRow first_row, std::int64_t rows,
                 std::span<double> values) const;
  /// An array of common.h5, flattened, converted to double; as it is, where it holds int64. @throws UserError
  /// where there is no such array, or the file is damaged.
  std::vector<double> read_common(const std::string& name) const;
  std::vector<std::int64_t> read_common_int64(const std::string& name) const;
  /// Names of all arrays with their shapes, as `shape_of` gives them, for `weft inspect`.
  std::map<std::string, std::vector<std::int64_t>> arrays() const;
  /// Recomputes every file's xxh3. @throws UserError that names the file that differs.
  void verify() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The checkpoint of the highest number (of the highest step, where they have none), for those who read a
/// model: no other takes its place where it is damaged. Local. @throws UserError where there is none.
std::filesystem::path latest_checkpoint(const std::filesystem::path& root);

/// The newest checkpoint all of whose files are as they were written, for those who resume. Every newer one
/// that is damaged is logged as a warning with the file and what is wrong with it. Reads all of it. Nothing
/// where there are no checkpoints at all. Local. @throws UserError that lists every one where there are some
/// and none is sound.
std::optional<std::filesystem::path> newest_sound_checkpoint(const std::filesystem::path& root);

}  // namespace weft
