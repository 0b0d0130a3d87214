#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <xxhash.h>

#include "weft/config/schema.hpp"

namespace weft {
namespace {

bool reads_recording(const Config& config, Stage stage) {
  return stage != Stage::simulate && !config.data.path.empty();
}

}  // namespace

bool matters(const Config& config, const Key& key, Stage stage) {
  const Stage first = reads_recording(config, stage) ? Stage::train : Stage::simulate;
  return std::ranges::any_of(key.matters_to, [&](Stage own) { return first <= own && own <= stage; });
}

std::string stage_hash(const Config& config, Stage stage) {
  std::string text = fmt::format("stage {}\n", static_cast<int>(stage));
  for (const Key& key : config_keys()) {
    if (!matters(config, key, stage)) continue;
    for (std::size_t item = 0; item < item_count(config, key); ++item) {
      text += fmt::format("{}={}\n", key.path_of(item), value_text(config, key, item));
    }
  }
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

}  // namespace weft
