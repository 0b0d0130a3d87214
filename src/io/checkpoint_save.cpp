#include <algorithm>
#include <cctype>
#include <functional>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

#include "io/manifest.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTemporary = ".tmp";
constexpr const char* kLatest = "latest";

std::string step_name(std::int64_t step) { return fmt::format("step_{:012}", step); }

std::string shard_name(int shard, int shards) {
  return fmt::format("shard_r{:04}_of_{:04}.h5", shard, shards);
}

bool is_temporary(const fs::path& path) { return path.extension() == kTemporary; }

std::optional<std::int64_t> step_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const std::string digits = name.starts_with("step_") ? name.substr(5) : "";
  const bool is_step = digits.size() == 12 && std::all_of(digits.begin(), digits.end(), [](unsigned char c) {
                         return std::isdigit(c) != 0;
                       });
  return is_step ? std::optional(std::stoll(digits)) : std::nullopt;
}

void require_whole(const ArrayView& array) {
  const auto size =
      std::accumulate(array.shape.begin(), array.shape.end(), std::int64_t{1}, std::multiplies<>());
  const auto count = std::visit([](const auto& values) { return values.size(); }, array.values);
  require(size == static_cast<std::int64_t>(count),
          "values of an array in the size of its shape: " + array.name);
}

hdf5::Dataset create_dataset(const hdf5::File& file, const ArrayView& array) {
  const auto create = [&]<typename T>(std::span<const T>) {
    return file.create_dataset<T>(array.name, array.shape);
  };
  return std::visit(create, array.values);
}

void write_dataset(const hdf5::Dataset& dataset, const ArrayView& array) {
  const hdf5::Shape start(array.shape.size(), 0);
  std::visit([&](const auto& values) { dataset.write(start, array.shape, values); }, array.values);
}

/// All datasets are made first: then the disk's room for them is known before the long writes.
void write_arrays(const fs::path& path, std::span<const ArrayView> arrays) {
  hdf5::File file = hdf5::File::create(path);
  std::vector<hdf5::Dataset> datasets;
  for (const ArrayView& array : arrays) {
    require_whole(array);
    datasets.push_back(create_dataset(file, array));
  }
  file.reserve_space();
  for (std::size_t i = 0; i < arrays.size(); ++i) write_dataset(datasets[i], arrays[i]);
  file.close();
}

ManifestFile describe_file(const fs::path& path, std::int64_t row_begin, std::int64_t row_end) {
  return {path.filename().string(), static_cast<std::int64_t>(fs::file_size(path)), file_checksum(path),
          row_begin, row_end};
}

ManifestFile write_shard(const fs::path& folder, const RowPartition& partition, int shard,
                         std::span<const ArrayView> rows) {
  for (const ArrayView& array : rows) {
    require(!array.shape.empty() && array.shape[0] == partition.size(shard),
            "an array of own rows: " + array.name);
  }
  const fs::path path = folder / shard_name(shard, partition.shards());
  write_arrays(path, rows);
  return describe_file(path, partition.begin(shard), partition.end(shard));
}

/// Sizes and checksums of all shards, in rank order. @collective
std::vector<ManifestFile> gather_shards(Communicator& group, const ManifestFile& own,
                                        const RowPartition& partition) {
  const std::vector<std::int64_t> numbers{own.bytes,
                                          static_cast<std::int64_t>(std::stoull(own.xxh3, nullptr, 16))};
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(group.size()), std::ssize(numbers));
  const std::vector<std::int64_t> all = gather_blocks(group, numbers, counts);
  std::vector<ManifestFile> shards;
  for (int shard = 0; shard < group.size(); ++shard) {
    const std::size_t at = numbers.size() * static_cast<std::size_t>(shard);
    shards.push_back({shard_name(shard, group.size()), all[at],
                      fmt::format("{:016x}", static_cast<std::uint64_t>(all[at + 1])), partition.begin(shard),
                      partition.end(shard)});
  }
  return shards;
}

/// What a save that was killed left behind.
void remove_leftovers(const fs::path& root) {
  for (const fs::path& entry : list_folder(root)) {
    if (is_temporary(entry)) remove_tree(entry);
  }
}

void prepare(const fs::path& root, const fs::path& temporary) {
  make_folders(root);
  remove_leftovers(root);
  make_folders(temporary);
}

/// Removes all complete checkpoints but `current` and the newest `keep - 1` others.
void remove_old(const fs::path& root, const fs::path& current, int keep) {
  std::vector<std::pair<std::int64_t, fs::path>> others;
  for (const fs::path& entry : list_folder(root)) {
    const std::optional<std::int64_t> step = step_of(entry);
    if (step && entry != current) others.emplace_back(*step, entry);
  }
  std::sort(others.rbegin(), others.rend());
  for (std::size_t i = static_cast<std::size_t>(keep - 1); i < others.size(); ++i) {
    const fs::path doomed = others[i].second.string() + kTemporary;
    rename_durably(others[i].second, doomed);
    remove_tree(doomed);
  }
}

void publish(const fs::path& root, const fs::path& temporary, const Manifest& manifest, int keep) {
  write_text_atomically(temporary / kManifestFile, to_json(manifest));
  const fs::path folder = root / step_name(manifest.info.step);
  replace_folder(temporary, folder);
  write_text_atomically(root / kLatest, folder.filename().string() + "\n");
  remove_old(root, folder, keep);
}

/// The steps of a save; each is collective and throws on all ranks or on none.
void save_under(const fs::path& temporary, Communicator& group, const fs::path& root,
                const CheckpointInfo& info, const RowPartition& partition, std::span<const ArrayView> rows,
                std::span<const ArrayView> common, int keep) {
  const bool leads = group.rank() == 0;
  ManifestFile own;
  Manifest manifest{info, {}, {}};
  collectively(group, [&] {
    if (leads) prepare(root, temporary);
  });
  collectively(group, [&] {
    own = write_shard(temporary, partition, group.rank(), rows);
    if (!leads) return;
    write_arrays(temporary / kCommonFile, common);
    manifest.common = describe_file(temporary / kCommonFile, 0, 0);
  });
  manifest.shards = gather_shards(group, own, partition);
  collectively(group, [&] {
    if (leads) publish(root, temporary, manifest, keep);
  });
}

}  // namespace

void save_checkpoint(Communicator& group, const fs::path& root, const CheckpointInfo& info,
                     const RowPartition& partition, std::span<const ArrayView> rows,
                     std::span<const ArrayView> common, int keep) {
  require(partition.shards() == group.size() && partition.rows() == info.neurons && keep >= 1,
          "a checkpoint of one shard a rank");
  const fs::path temporary = root / (step_name(info.step) + kTemporary);
  try {
    save_under(temporary, group, root, info, partition, rows, common, keep);
  } catch (...) {
    // All ranks are here, none still writes. The space is needed by whoever tries again.
    std::error_code ignored;
    if (group.rank() == 0) fs::remove_all(temporary, ignored);
    throw;
  }
}

fs::path latest_checkpoint(const fs::path& root) {
  const fs::path file = root / kLatest;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    throw UserError({root.string(), "no checkpoint: there is no file `latest`", "", "train first"});
  }
  std::string name = read_text(file);
  name.erase(name.find_last_not_of(" \r\n") + 1);
  if (!step_of(name)) {
    throw UserError({file.string(), fmt::format("it names `{}`", name), "a folder such as step_000000001200",
                     "write the name of a checkpoint into it"});
  }
  return root / name;
}

}  // namespace weft
