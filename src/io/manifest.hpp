#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "weft/io/checkpoint.hpp"

namespace weft {

inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kCommonFile = "common.h5";
/// As many as a folder's name has digits for.
inline constexpr std::int64_t kMostSteps = 999'999'999'999;

/// The name of a rank's file.
std::string shard_name(std::size_t shard, std::size_t shards);

/// A file of a checkpoint, as its manifest describes it. Rows are those of its arrays, none in common.h5.
struct ManifestFile {
  std::string name;
  std::int64_t bytes = 0;
  std::string xxh3;  ///< 16 hexadecimal digits
  std::int64_t row_begin = 0;
  std::int64_t row_end = 0;
};

/// What manifest.json holds: a checkpoint is complete when it is there.
struct Manifest {
  CheckpointInfo info;
  std::vector<ManifestFile> shards;  ///< in row order, one a rank
  ManifestFile common;
};

std::string to_json(const Manifest& manifest);
/// Whatever bytes are there. Local. @throws UserError where it is missing, damaged, of a newer format, names
/// files that a checkpoint does not have, or its shards do not hold each row once.
Manifest read_manifest(const std::filesystem::path& folder);

}  // namespace weft
