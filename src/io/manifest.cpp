#include "io/manifest.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

/// Version 1 knew neither `complete` nor `number`, version 2 no checksum of the manifest itself.
constexpr std::int64_t kFormatVersion = 3;
constexpr const char* kOwnChecksum = "manifest_xxh3";
constexpr const char* kRemedy = "use another checkpoint";

// What a manifest of ours stays far below; beyond, reading one would take memory or stack without end.
constexpr std::uintmax_t kMostBytes = std::uintmax_t{64} << 20;
constexpr int kMostLevels = 64;
constexpr int kMostKeys = 100'000;

constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();

/// What is wrong in a manifest.
class Invalid : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

Json json_of(const ManifestFile& file) {
  return {{"name", file.name},
          {"bytes", file.bytes},
          {"xxh3", file.xxh3},
          {"row_begin", file.row_begin},
          {"row_end", file.row_end}};
}

std::int64_t whole_number(const Json& json, const char* key, std::int64_t least, std::int64_t most) {
  const Json& value = json.at(key);
  const bool fits = value.is_number_unsigned()
                        ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kAny)
                        : value.is_number_integer();
  if (!fits || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most)
    throw Invalid(fmt::format("`{}` is no whole number from {} to {}", key, least, most));
  return value.get<std::int64_t>();
}

std::string checksum(const Json& json, const char* key) {
  const std::string text = json.at(key);
  const bool hexadecimal = text.find_first_not_of("0123456789abcdef") == text.npos;
  if (text.size() != 16 || !hexadecimal)
    throw Invalid(fmt::format("an `{}` is not 16 hexadecimal digits", key));
  return text;
}

ManifestFile file_of(const Json& json) {
  return {json.at("name"), whole_number(json, "bytes", 0, kAny), checksum(json, "xxh3"),
          whole_number(json, "row_begin", 0, kAny), whole_number(json, "row_end", 0, kAny)};
}

/// Checkpoints of a former version may have none.
std::string findings_of(const Json& json) {
  if (!json.contains("findings")) return "{}";
  const Json& findings = json.at("findings");
  if (!findings.is_object()) throw Invalid("`findings` is no object");
  return findings.dump();
}

CheckpointInfo info_of(const Json& json) {
  CheckpointInfo info;
  info.step = whole_number(json, "step", 0, kMostSteps);
  info.neurons = whole_number(json, "neurons", 1, kAny);
  info.method = json.at("method");
  info.config_hash = json.at("config_hash");
  info.version = json.at("version");
  info.findings = findings_of(json);
  if (whole_number(json, "format_version", 1, kFormatVersion) == 1) return info;
  info.complete = json.at("complete").get<bool>();
  info.number = whole_number(json, "number", 0, kAny - 1);
  return info;
}

/// The shards are all files but the last, which is common.h5; each has the one name that it can have, so that
/// none leads out of the folder and none is there twice.
Manifest manifest_of(const Json& json) {
  Manifest manifest;
  manifest.info = info_of(json);
  const Json& files = json.at("files");
  if (!files.is_array() || files.size() < 2) throw Invalid("`files` is no list of shards and common.h5");
  const std::size_t shards = files.size() - 1;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const ManifestFile file = file_of(files[i]);
    const std::string expected = i < shards ? shard_name(i, shards) : kCommonFile;
    if (file.name != expected) throw Invalid(fmt::format("file {} of `files` is not {}", i, expected));
    if (i < shards) {
      manifest.shards.push_back(file);
    } else {
      manifest.common = file;
    }
  }
  return manifest;
}

void check_format(const Json& json, const fs::path& path) {
  const std::int64_t version = whole_number(json, "format_version", 1, kAny);
  if (version <= kFormatVersion) return;
  throw UserError({path.string(), fmt::format("format_version {}", version),
                   fmt::format("at most {}", kFormatVersion),
                   "read it with the version of weft that wrote it, or a newer one"});
}

/// One line of bearable length, whatever was in the file.
std::string in_short(std::string_view text) {
  constexpr std::size_t kLength = 200;
  std::string line(text.substr(0, kLength));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

Json parse(const std::string& text) {
  int keys = 0;
  const auto bearable = [&](int depth, Json::parse_event_t event, const Json&) {
    if (depth > kMostLevels) throw Invalid(fmt::format("more than {} levels", kMostLevels));
    if (event == Json::parse_event_t::key && ++keys > kMostKeys)
      throw Invalid(fmt::format("more than {} keys", kMostKeys));
    return true;
  };
  Json json = Json::parse(text, bearable);
  if (!json.is_object()) throw Invalid("no object");
  return json;
}

UserError refusal(const fs::path& path, std::string_view reason) {
  return UserError({path.string(), fmt::format("not a manifest: {}", in_short(reason)), "", kRemedy});
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

/// The checksum of all that a manifest says, in its order, but for the checksum itself.
std::string own_checksum(Json json) {
  json.erase(kOwnChecksum);
  return text_checksum(json.dump());
}

void check_own_checksum(const Json& json) {
  // One that is there counts also where a damaged version says that there is none.
  if (!json.contains(kOwnChecksum) && json.at("format_version") < 3) return;
  if (checksum(json, kOwnChecksum) != own_checksum(json))
    throw Invalid(fmt::format("damaged, for its `{}` is that of something else", kOwnChecksum));
}

Manifest parse_manifest(const std::string& text, const fs::path& path) {
  try {
    const Json json = parse(text);
    check_format(json, path);
    Manifest manifest = manifest_of(json);
    check_rows(manifest, path);
    check_own_checksum(json);  // the last: what can be told by its name is
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    throw refusal(path, error.what());
  } catch (const Invalid& error) {
    throw refusal(path, error.what());
  }
}

std::string read_small_text(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  if (error) throw_file_error(path, "cannot be read", error.value());
  if (bytes > kMostBytes) throw refusal(path, fmt::format("{} bytes", bytes));
  return read_text(path);
}

}  // namespace

std::string shard_name(std::size_t shard, std::size_t shards) {
  return fmt::format("shard_r{:04}_of_{:04}.h5", shard, shards);
}

std::string to_json(const Manifest& manifest) {
  Json files = Json::array();
  for (const ManifestFile& shard : manifest.shards) files.push_back(json_of(shard));
  files.push_back(json_of(manifest.common));
  Json json = {{"format_version", kFormatVersion},
               {"step", manifest.info.step},
               {"neurons", manifest.info.neurons},
               {"complete", manifest.info.complete},
               {"number", manifest.info.number},
               {"method", manifest.info.method},
               {"config_hash", manifest.info.config_hash},
               {"version", manifest.info.version},
               {"world_size", manifest.shards.size()},
               {"files", files},
               {"findings", Json::parse(manifest.info.findings)}};
  json[kOwnChecksum] = own_checksum(json);
  return json.dump(2) + "\n";
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw UserError(
        {folder.string(), fmt::format("no complete checkpoint: it has no {}", kManifestFile), "", kRemedy});
  }
  return parse_manifest(read_small_text(path), path);
}

}  // namespace weft
