#include "io/manifest.hpp"

#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;
constexpr const char* kRemedy = "use another checkpoint";

Json json_of(const ManifestFile& file) {
  return {{"name", file.name},
          {"bytes", file.bytes},
          {"xxh3", file.xxh3},
          {"row_begin", file.row_begin},
          {"row_end", file.row_end}};
}

ManifestFile file_of(const Json& json) {
  return {json.at("name"), json.at("bytes"), json.at("xxh3"), json.at("row_begin"), json.at("row_end")};
}

void check_format(const Json& json, const fs::path& path) {
  const int version = json.at("format_version");
  if (version == kFormatVersion) return;
  throw UserError({path.string(), fmt::format("format_version {}", version), std::to_string(kFormatVersion),
                   "read it with the version of weft that wrote it"});
}

/// Checkpoints of a former version have none.
std::string findings_of(const Json& json) {
  return json.contains("findings") ? json.at("findings").dump() : "{}";
}

Manifest manifest_of(const Json& json) {
  Manifest manifest;
  manifest.info = {json.at("step"),        json.at("neurons"), json.at("method"),
                   json.at("config_hash"), json.at("version"), findings_of(json)};
  for (const Json& entry : json.at("files")) {
    const ManifestFile file = file_of(entry);
    if (file.name == kCommonFile) {
      manifest.common = file;
    } else {
      manifest.shards.push_back(file);
    }
  }
  return manifest;
}

Manifest parse(const std::string& text, const fs::path& path) {
  try {
    const Json json = Json::parse(text);
    check_format(json, path);
    return manifest_of(json);
  } catch (const nlohmann::json::exception& error) {
    throw UserError({path.string(), fmt::format("not a manifest: {}", error.what()), "", kRemedy});
  }
}

void check_rows(const Manifest& manifest, const fs::path& path) {
  std::int64_t next = 0;
  for (const ManifestFile& shard : manifest.shards) {
    if (shard.row_begin != next || shard.row_end <= next) {
      throw UserError({path.string(), fmt::format("{} begins at row {}", shard.name, shard.row_begin),
                       fmt::format("row {}", next), kRemedy});
    }
    next = shard.row_end;
  }
  if (next != manifest.info.neurons) {
    throw UserError({path.string(), fmt::format("its shards hold {} rows", next),
                     fmt::format("{} rows, one a neuron", manifest.info.neurons), kRemedy});
  }
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  Json files = Json::array();
  for (const ManifestFile& shard : manifest.shards) files.push_back(json_of(shard));
  files.push_back(json_of(manifest.common));
  const Json json = {{"format_version", kFormatVersion},
                     {"step", manifest.info.step},
                     {"neurons", manifest.info.neurons},
                     {"method", manifest.info.method},
                     {"config_hash", manifest.info.config_hash},
                     {"version", manifest.info.version},
                     {"world_size", manifest.shards.size()},
                     {"files", files},
                     {"findings", Json::parse(manifest.info.findings)}};
  return json.dump(2) + "\n";
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw UserError(
        {folder.string(), fmt::format("no complete checkpoint: it has no {}", kManifestFile), "", kRemedy});
  }
  Manifest manifest = parse(read_text(path), path);
  check_rows(manifest, path);
  return manifest;
}

}  // namespace weft
