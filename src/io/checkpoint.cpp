#include "weft/io/checkpoint.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>

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
  if (error) throw UserError({path.string(), "missing from the checkpoint", "", kRemedy});
  if (static_cast<std::int64_t>(found) != bytes) {
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
  hdf5::File open(const ManifestFile& file) const { return hdf5::File::open(folder / file.name); }

  /// Rows [first, first + rows) of one shard, counted in its own array.
  template <typename T>
  void read_part(const ManifestFile& shard, const std::string& name, std::int64_t first, std::int64_t rows,
                 std::span<T> values) const {
    const hdf5::File file = open(shard);
    const hdf5::Dataset dataset = file.dataset(name);
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
  void read_rows(const std::string& name, std::int64_t first, std::int64_t rows, std::span<T> values) const {
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

  fs::path folder;
  Manifest manifest;
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
  return impl_->open(impl_->manifest.shards.front()).has_dataset(name) ||
         impl_->open(impl_->manifest.common).has_dataset(name);
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
  return impl_->open(impl_->manifest.common).dataset(name).read_all<double>();
}

std::map<std::string, std::vector<std::int64_t>> Checkpoint::arrays() const {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const hdf5::File common = impl_->open(impl_->manifest.common);
  for (const std::string& name : common.dataset_names()) shapes[name] = common.dataset(name).shape();
  const hdf5::File shard = impl_->open(impl_->manifest.shards.front());
  for (const std::string& name : shard.dataset_names()) {
    hdf5::Shape shape = shard.dataset(name).shape();
    shape[0] = impl_->manifest.info.neurons;
    shapes[name] = shape;
  }
  return shapes;
}

void Checkpoint::verify() const {
  for (const ManifestFile& file : impl_->files()) check_checksum(impl_->folder / file.name, file.xxh3);
}

}  // namespace weft
