#include "reader.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "weft/config/schema.hpp"
#include "weft/core/error.hpp"

#include "field.hpp"
#include "nearest.hpp"

namespace weft {
namespace {

const std::string kListOfTypes = "simulation.types";

/// A word as it is, or between quotes where it would not read as a key.
std::string word_text(const std::string& word) {
  const bool plain =
      !word.empty() && std::ranges::all_of(word, [](unsigned char c) { return std::isgraph(c); });
  return plain && word.size() <= 80 ? word : excerpt(word);
}

/// A place in the config, as shown to the user and as it stands in the schema.
struct Path {
  std::string shown;    ///< simulation.types.2.gain
  std::string pattern;  ///< simulation.types[].gain
  std::size_t item = 0;

  Path child(const std::string& word) const {
    const std::string dot = shown.empty() ? "" : ".";
    return {shown + dot + word_text(word), pattern + dot + word, item};
  }
  Path element(std::size_t number) const {
    return {fmt::format("{}.{}", shown, number), pattern + "[]", number};
  }
};

const Key* key_at(const Path& path) {
  const auto keys = config_keys();
  const auto found = std::ranges::find(keys, path.pattern, &Key::path);
  return found == keys.end() ? nullptr : &*found;
}

bool is_section(const std::string& pattern) {
  return std::ranges::find(config_sections(), pattern, &Section::path) != config_sections().end();
}

bool is_list(const std::string& pattern) { return is_section(pattern + "[]"); }

bool is_known(const Path& path) {
  return key_at(path) != nullptr || is_section(path.pattern) || is_list(path.pattern);
}

std::string kind_of(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "nothing";
  return excerpt(node.Scalar());
}

/// Where a document begins; what is in it does not matter here.
class DocumentStart : public YAML::EventHandler {
 public:
  int line() const { return line_; }

  void OnDocumentStart(const YAML::Mark& mark) override { line_ = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

 private:
  int line_ = 0;
};

/// YAML::Load leaves what comes after the first document unread, and YAML::LoadAll never ends where that is a
/// stray bracket; so the start of a second one is looked for alone.
std::optional<int> line_of_second_document(const std::string& yaml) {
  std::istringstream stream(yaml);
  YAML::Parser parser(stream);
  DocumentStart start;
  if (!parser.HandleNextDocument(start) || !parser.HandleNextDocument(start)) return std::nullopt;
  return start.line();
}

/// Walks a YAML tree along the schema.
class Reader {
 public:
  /// @param origin  a file's name, to which lines are added, or `--set`.
  Reader(std::string origin, bool has_lines, Config& config)
      : origin_(std::move(origin)), has_lines_(has_lines), config_(config) {}

  void read(const Path& path, const YAML::Node& node, int line) {
    if (const Key* key = key_at(path)) {
      read_value(path, *key, node, line);
    } else if (is_list(path.pattern)) {
      read_list(path, node, line);
    } else if (is_section(path.pattern)) {
      read_section(path, node, line);
    } else {
      refuse_unknown(path, line);
    }
  }

  [[noreturn]] void refuse_unknown(const Path& path, int line) const {
    throw UserError({place(path, line), "unknown key", "",
                     fmt::format("the nearest known key is {}", nearest_key(path.pattern))});
  }

  /// The one document of a text.
  YAML::Node parse(const Path& path, const std::string& yaml) const {
    try {
      if (const auto line = line_of_second_document(yaml)) {
        throw UserError({place(path, *line), "a second YAML document begins", "one",
                         "remove the line `---` or the stray bracket before it"});
      }
      return YAML::Load(yaml);
    } catch (const YAML::Exception& error) {
      throw UserError({place(path, error.mark.line + 1),
                       fmt::format("not YAML ({}, column {})", error.msg, error.mark.column + 1),
                       "lines such as `key: value`", "check the indentation, colons, quotes and brackets"});
    }
  }

  std::string place(const Path& path, int line) const {
    const std::string at = has_lines_ ? fmt::format("{}:{}", origin_, line) : origin_;
    return path.shown.empty() ? at : fmt::format("{}: {}", at, path.shown);
  }

 private:
  void read_section(const Path& path, const YAML::Node& node, int line) {
    if (node.IsNull()) return;  // a heading whose keys are all left out or commented out
    if (!node.IsMap()) {
      throw UserError({place(path, line), fmt::format("{} where a map belongs", kind_of(node)),
                       "lines such as `key: value`", "docs/configuration.md shows a whole config"});
    }
    std::map<std::string, int> seen;
    for (const auto& entry : node) read_entry(path, entry.first, entry.second, seen);
  }

  /// @param seen  the line of each key of this section so far.
  void read_entry(const Path& path, const YAML::Node& key, const YAML::Node& value,
                  std::map<std::string, int>& seen) {
    const int line = key.Mark().line + 1;
    if (!key.IsScalar()) {
      throw UserError({place(path, line), fmt::format("{} where a key belongs", kind_of(key)), "a word",
                       "docs/configuration.md lists the keys"});
    }
    const Path child = path.child(key.Scalar());
    const auto [first, fresh] = seen.emplace(key.Scalar(), line);
    if (!fresh) {
      throw UserError({place(child, line), fmt::format("set twice, first on line {}", first->second), "once",
                       "remove one of them"});
    }
    read(child, value, line);
  }

  void read_list(const Path& path, const YAML::Node& node, int line) {
    if (!node.IsSequence() || node.size() == 0) {
      const std::string found = node.IsSequence() ? "an empty list" : kind_of(node) + " where a list belongs";
      throw UserError({place(path, line), found, "a list of one item or more, each `- {key: value, ...}`",
                       "leave the key out for its default"});
    }
    require(path.pattern == kListOfTypes, "the schema has a list that the reader cannot size");
    config_.simulation.types.assign(node.size(), NeuronTypeConfig{});
    for (std::size_t i = 0; i < node.size(); ++i) read(path.element(i), node[i], node[i].Mark().line + 1);
  }

  void read_value(const Path& path, const Key& key, const YAML::Node& node, int line) {
    std::optional<std::string> fault;
    if (node.IsMap() || node.IsSequence()) {
      fault = kind_of(node) + " where a value belongs";
    } else {
      const Scalar scalar{node.IsNull() ? "" : node.Scalar(), node.Tag() == "!", node.IsNull()};
      fault = assign(key, key.field(config_, path.item), scalar);
    }
    if (!fault) return;
    const std::string standard = value_text(default_config(), key);
    throw UserError({place(path, line), *fault, allowed(key),
                     key.path == "name" ? "leave it out for the file's name" : "the default is " + standard});
  }

  std::string origin_;
  bool has_lines_;
  Config& config_;
};

constexpr auto kOverrideOrigin = "--set";

std::vector<std::string> split_at_dots(const std::string& text) {
  std::vector<std::string> words{""};
  for (const char c : text) {
    if (c == '.') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

std::size_t item_number(const std::string& place, const std::string& word, std::size_t count) {
  std::size_t number = 0;
  const auto [stop, code] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (code == std::errc{} && stop == word.data() + word.size() && number < count) return number;
  throw UserError({place, fmt::format("no item {}", excerpt(word)),
                   fmt::format("a number from 0 to {}", count - 1), "items are counted from 0"});
}

/// The path that an override names, followed word by word through the schema.
Path override_path(const Reader& reader, const std::string& text, std::size_t types) {
  Path path;
  for (const std::string& word : split_at_dots(text)) {
    path = is_list(path.pattern) ? path.element(item_number(reader.place(path, 0), word, types))
                                 : path.child(word);
  }
  if (!is_known(path)) reader.refuse_unknown(path, 0);
  return path;
}

}  // namespace

void read_document(const std::string& yaml, const std::string& origin, Config& config) {
  Reader reader(origin, true, config);
  const YAML::Node document = reader.parse(Path{}, yaml);
  reader.read(Path{}, document, document.Mark().line + 1);
}

void read_override(const std::string& text, Config& config) {
  Reader reader(kOverrideOrigin, false, config);
  constexpr std::size_t kLongestPath = 200;
  const std::size_t equals = text.substr(0, kLongestPath).find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UserError({kOverrideOrigin, excerpt(text), "key.path=value", "such as --set training.steps=1000"});
  }
  const Path path = override_path(reader, text.substr(0, equals), config.simulation.types.size());
  reader.read(path, reader.parse(path, text.substr(equals + 1)), 0);
}

}  // namespace weft
