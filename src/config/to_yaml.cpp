#include <string>
#include <string_view>

#include <fmt/format.h>

#include "weft/config/schema.hpp"

namespace weft {
namespace {

std::string_view parent_of(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::string_view last_word(std::string_view path) { return path.substr(path.rfind('.') + 1); }

/// One item of a list on one line: `{gain: 10, self_coupling: 1, tau: 1}`.
std::string item_text(const Config& config, std::string_view section, std::size_t item) {
  std::string text;
  for (const Key& key : config_keys()) {
    if (parent_of(key.path) != section) continue;
    text +=
        fmt::format("{}{}: {}", text.empty() ? "" : ", ", last_word(key.path), value_text(config, key, item));
  }
  return "{" + text + "}";
}

void write_list(std::string& out, const Config& config, std::string_view section, const std::string& indent) {
  std::string_view name = last_word(section);
  name.remove_suffix(2);  // the [] that marks a list
  out += fmt::format("{}{}:\n", indent, name);
  for (std::size_t item = 0; item < config.simulation.types.size(); ++item) {
    out += fmt::format("{}  - {}\n", indent, item_text(config, section, item));
  }
}

void write_section(std::string& out, const Config& config, std::string_view section,
                   const std::string& indent) {
  for (const Key& key : config_keys()) {
    if (parent_of(key.path) != section) continue;
    out += fmt::format("{}{}: {}\n", indent, last_word(key.path), value_text(config, key));
  }
  for (const Section& inner : config_sections()) {
    if (inner.path.empty() || parent_of(inner.path) != section) continue;
    if (inner.path.ends_with("[]")) {
      write_list(out, config, inner.path, indent);
    } else {
      out += fmt::format("{}{}:\n", indent, last_word(inner.path));
      write_section(out, config, inner.path, indent + "  ");
    }
  }
}

}  // namespace

std::string to_yaml(const Config& config) {
  std::string out;
  write_section(out, config, "", "");
  return out;
}

}  // namespace weft
