#include "weft/core/error.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

#include "io/dataset_shard.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

using Names = std::vector<std::string>;

/// Neurons are the columns of the recordings.
hdf5::Dataset create_recording_view(const hdf5::File& file, const std::string& name, std::int64_t frames,
                                    const RowPartition& partition) {
  std::vector<hdf5::VirtualSource> sources;
  for (int shard = 0; shard < partition.shards(); ++shard) {
    sources.push_back(
        {shard_file(shard), name, {0, partition.begin(shard)}, {frames, partition.size(shard)}});
  }
  return file.create_virtual_dataset(name, {frames, partition.rows()}, sources);
}

/// Postsynaptic neurons are the rows of W.
hdf5::Dataset create_connectivity_view(const hdf5::File& file, const RowPartition& partition) {
  const std::string name = "/truth/connectivity";
  const std::int64_t neurons = partition.rows();
  std::vector<hdf5::VirtualSource> sources;
  for (int shard = 0; shard < partition.shards(); ++shard) {
    sources.push_back(
        {shard_file(shard), name, {partition.begin(shard), 0}, {partition.size(shard), neurons}});
  }
  return file.create_virtual_dataset(name, {neurons, neurons}, sources);
}

void create_views(const hdf5::File& file, const DatasetInfo& info, const RowPartition& partition) {
  DatasetArrays arrays;
  arrays.activity = create_recording_view(file, "/activity", info.frames, partition);
  if (info.has_derivative)
    arrays.derivative = create_recording_view(file, "/derivative", info.frames, partition);
  if (info.has_truth) arrays.connectivity = create_connectivity_view(file, partition);
  arrays.describe();
}

void write_info(const hdf5::File& file, const DatasetInfo& info) {
  const hdf5::Attributes attributes = file.attributes();
  attributes.write("dt", info.dt);
  attributes.write("trajectory_starts", std::span<const std::int64_t>(info.trajectory_starts));
  attributes.write("config", info.config);
  attributes.write("config_hash", info.config_hash);
  attributes.write("version", info.version);
}

void write_types(const hdf5::File& file, const NeuronTypeTruth& truth) {
  const std::int64_t neurons = static_cast<std::int64_t>(truth.neuron_type.size());
  const hdf5::Dataset labels = file.create_dataset<std::int64_t>("/truth/neuron_type", {neurons});
  labels.write({0}, {neurons}, std::span(truth.neuron_type));
  describe(labels, {"neuron"}, "label, a row of /truth/parameters");

  const std::int64_t types = static_cast<std::int64_t>(truth.parameters.size()) / 3;
  const hdf5::Dataset parameters = file.create_dataset<double>("/truth/parameters", {types, 3});
  parameters.write({0, 0}, {types, 3}, std::span(truth.parameters));
  describe(parameters, {"type", "parameter"}, "dimensionless; c: 1 / time unit");
  parameters.attributes().write("columns", std::span<const std::string>(Names{"g", "s", "c"}));
}

}  // namespace

void write_dataset_view(const fs::path& folder, const DatasetInfo& info, const NeuronTypeTruth& truth,
                        const RowPartition& partition) {
  require(info.neurons == partition.rows(), "a dataset's neurons are the rows of its partition");
  hdf5::File file = hdf5::File::create(folder / "activity.h5");
  write_info(file, info);
  create_views(file, info, partition);
  if (info.has_truth) write_types(file, truth);
  file.close();
  sync_to_disk(folder);
}

}  // namespace weft
