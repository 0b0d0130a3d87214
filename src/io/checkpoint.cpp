#include "weft/io/checkpoint.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

#include "io/manifest.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr const char* kRemedy = "use another checkpoint, or copy this one again";

void check_size(const fs::path& path, std::int64_t bytes) {
  std::error_code error;
  const std::uintmax_t found = fs::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory)
    throw UserError({path.string(), "missing from the checkpoint", "", kRemedy});
  if (error) throw_file_error(path, "cannot be read", error.value());
  if (found != static_cast<std::uintmax_t>(bytes)) {
    throw UserError({path.string(), fmt::format("{} bytes", found), fmt::format("{} bytes", bytes), kRemedy});
  }
}

void check_checksum(const fs::path& path, const std::string& expected) {
  const std::string found = file_checksum(path);
  if (found == expected) return;
  throw UserError({path.string(), "damaged, its xxh3 is " + found, expected, kRemedy});
}

/// The elements of one row of an array.
std::int64_t row_size(const hdf5::Shape& shape) {
  return std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

struct Checkpoint::Impl {
  explicit Impl(const fs::path& step_folder) : folder(step_folder), manifest(read_manifest(step_folder)) {
    for (const ManifestFile& file : files()) check_size(folder / file.name, file.bytes);
  }

  std::vector<ManifestFile> files() const {
    std::vector<ManifestFile> all = manifest.shards;
    all.push_back(manifest.common);
    return all;
  }

  /// HDF5 may do anything on bytes that it has not written itself.
  hdf5::File open(const ManifestFile& file) {
    if (!sound.contains(file.name)) check_checksum(folder / file.name, file.xxh3);
    sound.insert(file.name);
    return hdf5::File::open(folder / file.name);
  }

  /// A dataset with numbers, no more than the file has room for.
  hdf5::Dataset dataset(const hdf5::File& file, const ManifestFile& described,
                        const std::string& name) const {
    hdf5::Dataset dataset = file.dataset(name);
    // None of it is compressed: there are no more numbers than bytes.
    if (!dataset.holds_numbers() || !hdf5::holds_at_most(dataset.shape(), described.bytes)) {
      throw UserError({dataset.place(), "no array of numbers that the file has room for", "", kRemedy});
    }
    return dataset;
  }

  /// A dataset of a shard, one row for each of the shard's.
  hdf5::Dataset rows_dataset(const hdf5::File& file, const ManifestFile& shard,
                             const std::string& name) const {
    hdf5::Dataset rows = dataset(file, shard, name);
    const hdf5::Shape shape = rows.shape();
    const std::int64_t expected = shard.row_end - shard.row_begin;
    if (shape.empty() || shape[0] != expected) {
      throw UserError({rows.place(), fmt::format("{} rows", shape.empty() ? 0 : shape[0]),
                       fmt::format("{} rows, as in the manifest", expected), kRemedy});
    }
    return rows;
  }

  /// The shape of an array over all shards.
  hdf5::Shape whole_shape(const hdf5::File& file, const std::string& name) const {
    hdf5::Shape shape = rows_dataset(file, manifest.shards.front(), name).shape();
    shape[0] = manifest.info.neurons;
    return shape;
  }

  /// Rows [first, first + rows) of one shard, counted in its own array.
  template <typename T>
  void read_part(const ManifestFile& shard, const std::string& name, std::int64_t first, std::int64_t rows,
                 std::span<T> values) {
    const hdf5::File file = open(shard);
    const hdf5::Dataset dataset = rows_dataset(file, shard, name);
    hdf5::Shape count = dataset.shape();
    const std::int64_t expected = std::ssize(values) / rows;
    if (row_size(count) != expected) {
      throw UserError({folder.string(), fmt::format("{} holds {} numbers a row", name, row_size(count)),
                       std::to_string(expected), "this checkpoint belongs to another model"});
    }
    hdf5::Shape start(count.size(), 0);
    start[0] = first;
    count[0] = rows;
    dataset.read(start, count, values);
  }

  template <typename T>
  void read_rows(const std::string& name, std::int64_t first, std::int64_t rows, std::span<T> values) {
    require(first >= 0 && rows >= 0 && first + rows <= manifest.info.neurons, "rows of the checkpoint");
    require(rows == 0 ? values.empty() : std::ssize(values) % rows == 0, "whole rows to read into");
    const std::int64_t columns = rows == 0 ? 0 : std::ssize(values) / rows;
    for (const ManifestFile& shard : manifest.shards) {
      const std::int64_t begin = std::max(first, shard.row_begin);
      const std::int64_t end = std::min(first + rows, shard.row_end);
      if (begin >= end) continue;
      read_part(shard, name, begin - shard.row_begin, end - begin,
                values.subspan(static_cast<std::size_t>((begin - first) * columns),
                               static_cast<std::size_t>((end - begin) * columns)));
    }
  }

  template <typename T>
  std::vector<T> read_common(const std::string& name) {
    const hdf5::File file = open(manifest.common);
    return dataset(file, manifest.common, name).template read_all<T>();
  }

  fs::path folder;
  Manifest manifest;
  std::set<std::string> sound;  ///< names of the files whose xxh3 was found right
};

Checkpoint::Checkpoint(const fs::path& folder) : impl_(std::make_unique<Impl>(folder)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;

const CheckpointInfo& Checkpoint::info() const { return impl_->manifest.info; }
const fs::path& Checkpoint::folder() const { return impl_->folder; }

void Checkpoint::require_neurons(std::int64_t neurons) const {
  if (info().neurons == neurons) return;
  throw UserError({folder().string(), fmt::format("{} neurons", info().neurons),
                   fmt::format("{}, as in the dataset", neurons), "train again, or name the right run"});
}

bool Checkpoint::has(const std::string& name) const {
  return impl_->open(impl_->manifest.common).has_dataset(name) ||
         impl_->open(impl_->manifest.shards.front()).has_dataset(name);
}

std::vector<std::int64_t> Checkpoint::shape_of(const std::string& name) const {
  const hdf5::File common = impl_->open(impl_->manifest.common);
  if (common.has_dataset(name)) return impl_->dataset(common, impl_->manifest.common, name).shape();
  return impl_->whole_shape(impl_->open(impl_->manifest.shards.front()), name);
}

void Checkpoint::read_rows(const std::string& name, GlobalRow first_row, std::int64_t rows,
                           std::span<float> values) const {
  impl_->read_rows(name, index(first_row), rows, values);
}

void Checkpoint::read_rows(const std::string& name, GlobalRow first_row, std::int64_t rows,
                           std::span<double> values) const {
  impl_->read_rows(name, index(first_row), rows, values);
}

std::vector<double> Checkpoint::read_common(const std::string& name) const {
  return impl_->read_common<double>(name);
}

std::vector<std::int64_t> Checkpoint::read_common_int64(const std::string& name) const {
  return impl_->read_common<std::int64_t>(name);
}

std::map<std::string, std::vector<std::int64_t>> Checkpoint::arrays() const {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const hdf5::File common = impl_->open(impl_->manifest.common);
  for (const std::string& name : common.dataset_names())
    shapes[name] = impl_->dataset(common, impl_->manifest.common, name).shape();
  const hdf5::File shard = impl_->open(impl_->manifest.shards.front());
  for (const std::string& name : shard.dataset_names()) shapes[name] = impl_->whole_shape(shard, name);
  return shapes;
}

void Checkpoint::verify() const {
  for (const ManifestFile& file : impl_->files()) check_checksum(impl_->folder / file.name, file.xxh3);
}

}  // namespace weft
