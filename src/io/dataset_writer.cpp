#include <array>
#include <optional>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

using Names = std::vector<std::string>;

std::string shard_file(int shard) { return fmt::format("shards/rank_{:05}.h5", shard); }

fs::path prepare_shard(const fs::path& folder, int shard) {
  make_folders(folder / "shards");
  return folder / shard_file(shard);
}

void describe(const hdf5::Dataset& dataset, const Names& dims, const std::string& units) {
  dataset.attributes().write("dims", std::span<const std::string>(dims));
  dataset.attributes().write("units", units);
}

/// What the shards and the view say of the arrays that both hold.
struct Arrays {
  std::optional<hdf5::Dataset> activity;
  std::optional<hdf5::Dataset> derivative;
  std::optional<hdf5::Dataset> connectivity;

  void describe_all() const {
    describe(*activity, {"time", "neuron"}, "dimensionless");
    if (derivative) describe(*derivative, {"time", "neuron"}, "1 / time unit");
    if (connectivity) describe(*connectivity, {"post", "pre"}, "dimensionless");
  }
};

Arrays create_shard_arrays(const hdf5::File& file, const DatasetInfo& info, std::int64_t own) {
  Arrays arrays;
  arrays.activity = file.create_dataset<float>("/activity", {info.frames, own});
  if (info.has_derivative) arrays.derivative = file.create_dataset<float>("/derivative", {info.frames, own});
  if (info.has_truth)
    arrays.connectivity = file.create_dataset<float>("/truth/connectivity", {own, info.neurons});
  return arrays;
}

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
  Arrays arrays;
  arrays.activity = create_recording_view(file, "/activity", info.frames, partition);
  if (info.has_derivative)
    arrays.derivative = create_recording_view(file, "/derivative", info.frames, partition);
  if (info.has_truth) arrays.connectivity = create_connectivity_view(file, partition);
  arrays.describe_all();
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

struct DatasetShardWriter::Impl {
  Impl(const fs::path& folder, const DatasetInfo& info, const RowPartition& partition, int shard)
      : neurons(partition.rows()),
        own(partition.size(shard)),
        file(hdf5::File::create(prepare_shard(folder, shard))),
        arrays(create_shard_arrays(file, info, own)) {
    require(info.neurons == partition.rows(), "a dataset's neurons are the rows of its partition");
    arrays.describe_all();
    file.attributes().write("first_neuron", partition.begin(shard));
    file.reserve_space();
  }

  std::int64_t neurons;
  std::int64_t own;
  hdf5::File file;
  Arrays arrays;
};

DatasetShardWriter::DatasetShardWriter(const fs::path& folder, const DatasetInfo& info,
                                       const RowPartition& partition, int shard)
    : impl_(std::make_unique<Impl>(folder, info, partition, shard)) {}

DatasetShardWriter::~DatasetShardWriter() = default;

void DatasetShardWriter::write_frames(std::int64_t first_frame, std::span<const float> activity,
                                      std::span<const float> derivative) {
  const std::int64_t frames = static_cast<std::int64_t>(activity.size()) / impl_->own;
  require(derivative.empty() != impl_->arrays.derivative.has_value(),
          "a derivative where the dataset has one");
  impl_->arrays.activity->write({first_frame, 0}, {frames, impl_->own}, activity);
  if (!derivative.empty())
    impl_->arrays.derivative->write({first_frame, 0}, {frames, impl_->own}, derivative);
}

void DatasetShardWriter::write_true_connectivity(LocalRow first_row, std::span<const float> rows) {
  require(impl_->arrays.connectivity.has_value(), "a true W where the dataset has the truth");
  const std::int64_t count = static_cast<std::int64_t>(rows.size()) / impl_->neurons;
  impl_->arrays.connectivity->write({index(first_row), 0}, {count, impl_->neurons}, rows);
}

void DatasetShardWriter::close() {
  impl_->file.close();
  sync_to_disk(impl_->file.path().parent_path());
}

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
