#include "io/checkpoint_write.hpp"

#include <functional>
#include <numeric>
#include <system_error>

#include <fmt/format.h>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

#include "io/checkpoint_folders.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLatest = "latest";

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

fs::path shard_path(const fs::path& folder, int shard, int shards) {
  return folder / shard_name(static_cast<std::size_t>(shard), static_cast<std::size_t>(shards));
}

ManifestFile write_shard(const fs::path& folder, const RowPartition& partition, int shard,
                         std::span<const ArrayView> rows) {
  for (const ArrayView& array : rows) {
    require(!array.shape.empty() && array.shape[0] == partition.size(shard),
            "an array of own rows: " + array.name);
  }
  const fs::path path = shard_path(folder, shard, partition.shards());
  write_arrays(path, rows);
  return describe_file(path, partition.begin(shard), partition.end(shard));
}

/// Sizes and checksums of all shards, in rank order. @collective
std::vector<ManifestFile> gather_shards(Communicator& group, const ManifestFile& own,
                                        const RowPartition& partition) {
  const std::vector<std::int64_t> numbers{own.bytes,
                                          static_cast<std::int64_t>(std::stoull(own.xxh3, nullptr, 16))};
  const auto ranks = static_cast<std::size_t>(group.size());
  const std::vector<std::int64_t> all =
      gather_blocks(group, numbers, std::vector<std::int64_t>(ranks, std::ssize(numbers)));
  std::vector<ManifestFile> shards;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const std::size_t at = numbers.size() * rank;
    const auto shard = static_cast<int>(rank);
    shards.push_back({shard_name(rank, ranks), all[at],
                      fmt::format("{:016x}", static_cast<std::uint64_t>(all[at + 1])), partition.begin(shard),
                      partition.end(shard)});
  }
  return shards;
}

std::int64_t number_after_newest(const fs::path& root) {
  const std::vector<StepFolder> folders = step_folders(root);
  return folders.empty() ? 1 : folders.front().number + 1;
}

}  // namespace

void check_request(const Communicator& group, const CheckpointInfo& info, const RowPartition& partition,
                   const Retention& retention) {
  require(partition.shards() == group.size() && partition.rows() == info.neurons,
          "a checkpoint of one shard a rank");
  require(info.step >= 0 && info.step <= kMostSteps, "a step that a folder's name has room for");
  require(retention.keep >= 1 && retention.major >= 0, "a checkpoint that stays");
}

void prepare_checkpoint(const fs::path& root, std::int64_t step) {
  make_folders(root);
  remove_leftovers(root);
  make_folders(temporary_folder(root, step));
}

CheckpointPart write_part(const fs::path& temporary, const RowPartition& partition, int shard,
                          std::span<const ArrayView> rows, std::span<const ArrayView> common) {
  CheckpointPart part;
  part.shard = write_shard(temporary, partition, shard, rows);
  if (shard != 0) return part;
  write_arrays(temporary / kCommonFile, common);
  part.common = describe_file(temporary / kCommonFile, 0, 0);
  return part;
}

Manifest gather_manifest(Communicator& group, const CheckpointInfo& info, const RowPartition& partition,
                         const CheckpointPart& own) {
  return {info, gather_shards(group, own.shard, partition), own.common};
}

void publish_checkpoint(const fs::path& root, Manifest& manifest) {
  const fs::path temporary = temporary_folder(root, manifest.info.step);
  if (manifest.info.number == 0) manifest.info.number = number_after_newest(root);
  write_text_atomically(temporary / kManifestFile, to_json(manifest));
  replace_folder(temporary, step_folder(root, manifest.info.step));
}

void supersede_former(const fs::path& root, const CheckpointInfo& info, const Retention& retention) {
  const auto name_latest = [&] {
    write_text_atomically(root / kLatest, step_folder(root, info.step).filename().string() + "\n");
  };
  try {
    name_latest();
  } catch (const UserError&) {
    // There may be room for it when the others have gone.
    remove_superseded(root, info, retention);
    return name_latest();
  }
  remove_superseded(root, info, retention);
}

void discard_unpublished(const fs::path& root, std::int64_t step) noexcept {
  std::error_code ignored;
  fs::remove_all(temporary_folder(root, step), ignored);
}

}  // namespace weft
