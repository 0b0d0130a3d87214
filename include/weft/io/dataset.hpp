#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/core/row_partition.hpp"

namespace weft {

/// What a dataset says of itself.
struct DatasetInfo {
  std::int64_t frames = 0;   ///< T, over all trajectories
  std::int64_t neurons = 0;  ///< N
  double dt = 0;             ///< [time units] between frames of a trajectory
  std::vector<std::int64_t> trajectory_starts{
      0};  ///< first frame of each trajectory, ascending, the first is 0
  bool has_derivative = false;
  bool has_truth = false;
  std::string config;       ///< the resolved config that made it (YAML); empty for a recording
  std::string config_hash;  ///< stage_hash of the simulation; empty for a recording
  std::string version;      ///< of the program that wrote it, with the commit
};

/// The truth of a simulation that is the same on every rank: types and their parameters.
struct NeuronTypeTruth {
  std::vector<std::int64_t> neuron_type;  ///< (N)
  std::vector<double> parameters;         ///< (types x 3): g, s, c = 1 / tau
};

/// The files in `<folder>/shards`, which are those of one partition; 0 where there is no such folder. Local.
/// @throws UserError
int count_shards(const std::filesystem::path& folder);

/// Writes one rank's neurons of a dataset: `<folder>/shards/rank_00003.h5`, serial HDF5, contiguous arrays.
/// Local.
/// @throws UserError, with path and reason, where the file cannot be made or the disk is full.
class DatasetShardWriter {
 public:
  /// `shard`'s neurons of `partition`; the folder must exist.
  DatasetShardWriter(const std::filesystem::path& folder, const DatasetInfo& info,
                     const RowPartition& partition, int shard);
  /// Opens such a file again, to go on with it: it holds all that was written before a flush, however its
  /// writer ended after that. @throws UserError, naming the file, where it is missing, damaged, or not this
  /// shard of such a dataset.
  static DatasetShardWriter reopen(const std::filesystem::path& folder, const DatasetInfo& info,
                                   const RowPartition& partition, int shard);
  ~DatasetShardWriter();
  DatasetShardWriter(DatasetShardWriter&&) noexcept;

  /// Frames [first_frame, first_frame + rows) of this shard's neurons; `activity` and `derivative` are (rows
  /// x own neurons), `derivative` empty where the dataset has none.
  void write_frames(std::int64_t first_frame, std::span<const float> activity,
                    std::span<const float> derivative);
  /// Own rows [first_row, first_row + rows) of the true W, (rows x N) [post, pre].
  void write_true_connectivity(LocalRow first_row, std::span<const float> rows);
  /// Takes over frames of this shard's neurons from the shards of partition `from` in another folder: the
  /// first `frames` of every trajectory, some at a time. @throws UserError as reopen() on these.
  void copy_frames(const std::filesystem::path& from_folder, const RowPartition& from, std::int64_t frames);
  /// Returns when all that was written so far is on the disk.
  void flush();
  /// Flushes and closes.
  void close();

 private:
  struct Impl;
  explicit DatasetShardWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Makes `<folder>/activity.h5`, the one view over the shards (HDF5 virtual datasets, relative paths), with
/// the attributes of `info`. To be called by one rank when all shards are closed. Local.
void write_dataset_view(const std::filesystem::path& folder, const DatasetInfo& info,
                        const NeuronTypeTruth& truth, const RowPartition& partition);

/// A dataset open for reading: the view of a simulation or any HDF5 file with `/activity` (T, N) and the
/// attribute `dt`, on the file or on `/activity`. Knows nothing of the truth (see io/truth.hpp). Local: each
/// rank opens it by itself.
class Dataset {
 public:
  /// @throws UserError for a missing, truncated or foreign file, shapes that disagree, a shard that is
  /// missing.
  explicit Dataset(const std::filesystem::path& file);
  ~Dataset();
  Dataset(Dataset&&) noexcept;

  const DatasetInfo& info() const;
  const std::filesystem::path& file() const;

  /// Frames [first_frame, first_frame + frames) of neurons [first_neuron, first_neuron + neurons), (frames x
  /// neurons), converted to float32 from whatever number the file holds.
  /// @throws UserError that names frame and neuron where a value is not finite.
  std::vector<float> read_activity(std::int64_t first_frame, std::int64_t frames, std::int64_t first_neuron,
                                   std::int64_t neurons) const;
  /// The same of `/derivative`; call only where info().has_derivative.
  std::vector<float> read_derivative(std::int64_t first_frame, std::int64_t frames, std::int64_t first_neuron,
                                     std::int64_t neurons) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
