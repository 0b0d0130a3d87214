#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "weft/core/row_partition.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/hdf5.hpp"

namespace weft {

/// The arrays that both a shard and the view over all of them hold.
struct DatasetArrays {
  std::optional<hdf5::Dataset> activity;
  std::optional<hdf5::Dataset> derivative;
  std::optional<hdf5::Dataset> connectivity;

  /// Writes what each says of itself.
  void describe() const;
};

/// Writes axes and units of an array.
void describe(const hdf5::Dataset& dataset, const std::vector<std::string>& dims, const std::string& units);

/// One rank's file of a dataset, relative to the dataset's folder.
std::string shard_file(int shard);

/// An open file of one rank's neurons.
struct DatasetShard {
  DatasetInfo info;
  RowPartition partition;
  int number = 0;
  hdf5::File file;
  DatasetArrays arrays;

  std::int64_t own() const { return partition.size(number); }
};

/// A new one, with room for all of it. @throws UserError
DatasetShard create_shard(const std::filesystem::path& folder, const DatasetInfo& info,
                          const RowPartition& partition, int shard);
/// One that is there, opened as `file`. @throws UserError, naming it, where it is not this shard of such a
/// dataset.
DatasetShard check_shard(hdf5::File file, const DatasetInfo& info, const RowPartition& partition, int shard);

}  // namespace weft
