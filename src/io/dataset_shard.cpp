#include "io/dataset_shard.hpp"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"
#include "weft/io/files.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

/// Of frames on their way from one partition to another.
constexpr std::int64_t kCopyBytes = std::int64_t{16} << 20;

fs::path prepare_shard(const fs::path& folder, int shard) {
  make_folders(folder / "shards");
  return folder / shard_file(shard);
}

[[noreturn]] void throw_other_shard(const std::string& place, const std::string& found,
                                    const std::string& expected) {
  throw UserError({place, found, expected, "it is damaged or of another dataset: make the dataset again"});
}

void check_first_neuron(const hdf5::File& file, std::int64_t expected) {
  const hdf5::Attributes attributes = file.attributes();
  std::vector<std::int64_t> found;
  if (attributes.has("first_neuron")) found = attributes.read<std::int64_t>("first_neuron");
  if (found == std::vector{expected}) return;
  throw_other_shard(file.path().string(), fmt::format("first_neuron is [{}]", fmt::join(found, ", ")),
                    fmt::format("[{}]", expected));
}

hdf5::Dataset open_array(const hdf5::File& file, const std::string& name, const hdf5::Shape& shape) {
  hdf5::Dataset array = file.dataset(name);
  if (array.holds_numbers() && array.shape() == shape) return array;
  throw_other_shard(array.place(), fmt::format("its shape is ({})", fmt::join(array.shape(), ", ")),
                    fmt::format("({}) numbers", fmt::join(shape, ", ")));
}

/// What lies in columns of one array goes to as many columns of another, in the same rows.
struct Columns {
  std::int64_t from, to, count;

  void copy(const hdf5::Dataset& source, const hdf5::Dataset& target, std::int64_t first_row,
            std::int64_t rows) const {
    const auto row_bytes = count * static_cast<std::int64_t>(sizeof(float));
    const std::int64_t at_once = std::max<std::int64_t>(1, kCopyBytes / row_bytes);
    std::vector<float> values;
    for (std::int64_t done = 0; done < rows; done += at_once) {
      const hdf5::Shape block{std::min(at_once, rows - done), count};
      values.resize(static_cast<std::size_t>(block[0] * count));
      source.read({first_row + done, from}, block, std::span(values));
      target.write({first_row + done, to}, block, std::span<const float>(values));
    }
  }
};

}  // namespace

std::string shard_file(int shard) { return fmt::format("shards/rank_{:05}.h5", shard); }

void describe(const hdf5::Dataset& dataset, const std::vector<std::string>& dims, const std::string& units) {
  dataset.attributes().write("dims", std::span<const std::string>(dims));
  dataset.attributes().write("units", units);
}

void DatasetArrays::describe() const {
  weft::describe(*activity, {"time", "neuron"}, "dimensionless");
  if (derivative) weft::describe(*derivative, {"time", "neuron"}, "1 / time unit");
  if (connectivity) weft::describe(*connectivity, {"post", "pre"}, "dimensionless");
}

DatasetShard create_shard(const fs::path& folder, const DatasetInfo& info, const RowPartition& partition,
                          int shard) {
  require(info.neurons == partition.rows(), "a dataset's neurons are the rows of its partition");
  DatasetShard made{info, partition, shard, hdf5::File::create(prepare_shard(folder, shard)), {}};
  const hdf5::Shape recorded{info.frames, made.own()};
  made.arrays.activity = made.file.create_dataset<float>("/activity", recorded);
  if (info.has_derivative) made.arrays.derivative = made.file.create_dataset<float>("/derivative", recorded);
  if (info.has_truth)
    made.arrays.connectivity =
        made.file.create_dataset<float>("/truth/connectivity", {made.own(), info.neurons});
  made.arrays.describe();
  made.file.attributes().write("first_neuron", partition.begin(shard));
  made.file.reserve_space();
  return made;
}

DatasetShard check_shard(hdf5::File file, const DatasetInfo& info, const RowPartition& partition, int shard) {
  require(info.neurons == partition.rows(), "a dataset's neurons are the rows of its partition");
  DatasetShard found{info, partition, shard, std::move(file), {}};
  const hdf5::Shape recorded{info.frames, found.own()};
  check_first_neuron(found.file, partition.begin(shard));
  found.arrays.activity = open_array(found.file, "/activity", recorded);
  if (info.has_derivative) found.arrays.derivative = open_array(found.file, "/derivative", recorded);
  if (info.has_truth)
    found.arrays.connectivity = open_array(found.file, "/truth/connectivity", {found.own(), info.neurons});
  return found;
}

int count_shards(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder / "shards", ignored)) return 0;
  return static_cast<int>(list_folder(folder / "shards").size());
}

struct DatasetShardWriter::Impl {
  DatasetShard shard;
};

DatasetShardWriter::DatasetShardWriter(const fs::path& folder, const DatasetInfo& info,
                                       const RowPartition& partition, int shard)
    : DatasetShardWriter(std::make_unique<Impl>(Impl{create_shard(folder, info, partition, shard)})) {}

DatasetShardWriter DatasetShardWriter::reopen(const fs::path& folder, const DatasetInfo& info,
                                              const RowPartition& partition, int shard) {
  hdf5::File file = hdf5::File::open_for_update(folder / shard_file(shard));
  return DatasetShardWriter(
      std::make_unique<Impl>(Impl{check_shard(std::move(file), info, partition, shard)}));
}

DatasetShardWriter::DatasetShardWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DatasetShardWriter::DatasetShardWriter(DatasetShardWriter&&) noexcept = default;
DatasetShardWriter::~DatasetShardWriter() = default;

void DatasetShardWriter::write_frames(std::int64_t first_frame, std::span<const float> activity,
                                      std::span<const float> derivative) {
  const InSection writing(Section::checkpoint);
  const DatasetShard& shard = impl_->shard;
  const std::int64_t frames = static_cast<std::int64_t>(activity.size()) / shard.own();
  require(derivative.empty() != shard.info.has_derivative, "a derivative where the dataset has one");
  shard.arrays.activity->write({first_frame, 0}, {frames, shard.own()}, activity);
  if (!derivative.empty())
    shard.arrays.derivative->write({first_frame, 0}, {frames, shard.own()}, derivative);
}

void DatasetShardWriter::write_true_connectivity(LocalRow first_row, std::span<const float> rows) {
  const InSection writing(Section::checkpoint);
  const DatasetShard& shard = impl_->shard;
  require(shard.info.has_truth, "a true W where the dataset has the truth");
  const std::int64_t count = static_cast<std::int64_t>(rows.size()) / shard.info.neurons;
  shard.arrays.connectivity->write({index(first_row), 0}, {count, shard.info.neurons}, rows);
}

void DatasetShardWriter::copy_frames(const fs::path& from_folder, const RowPartition& from,
                                     std::int64_t frames) {
  const InSection writing(Section::checkpoint);
  const DatasetShard& to = impl_->shard;
  const std::int64_t begin = to.partition.begin(to.number), end = to.partition.end(to.number);
  for (int number = from.owner(GlobalRow{begin}); number <= from.owner(GlobalRow{end - 1}); ++number) {
    const DatasetShard source =
        check_shard(hdf5::File::open(from_folder / shard_file(number)), to.info, from, number);
    const std::int64_t first = std::max(begin, from.begin(number)), last = std::min(end, from.end(number));
    const Columns shared{first - from.begin(number), first - begin, last - first};
    for (const std::int64_t start : to.info.trajectory_starts) {
      shared.copy(*source.arrays.activity, *to.arrays.activity, start, frames);
      if (to.info.has_derivative)
        shared.copy(*source.arrays.derivative, *to.arrays.derivative, start, frames);
    }
  }
}

void DatasetShardWriter::flush() {
  const InSection writing(Section::checkpoint);
  impl_->shard.file.flush();
  sync_to_disk(impl_->shard.file.path().parent_path());
}

void DatasetShardWriter::close() {
  const InSection writing(Section::checkpoint);
  impl_->shard.file.close();
  sync_to_disk(impl_->shard.file.path().parent_path());
}

}  // namespace weft
