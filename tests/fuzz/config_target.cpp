#include <stdexcept>

#include "weft/config/config.hpp"
#include "weft/config/schema.hpp"

#include "target.hpp"

namespace weft::fuzz {
namespace {

/// A config that was taken is a config: it reads back to itself, and every stage has its hash.
void check_round_trip(const Config& config) {
  const std::string text = to_yaml(config);
  const Config again = parse_config(text, "resolved");
  if (to_yaml(again) != text) throw std::logic_error("a resolved config reads back as another");
  for (const Stage stage : {Stage::simulate, Stage::train, Stage::evaluate, Stage::report}) {
    if (stage_hash(again, stage) != stage_hash(config, stage))
      throw std::logic_error("a resolved config has another hash");
  }
}

void read(View input) {
  std::vector<std::string> parts = split_at_nul(input);
  const std::string yaml = parts.front();
  parts.erase(parts.begin());
  check_round_trip(parse_config(yaml, "config.yaml", parts));
}

std::vector<std::string> words() {
  std::vector<std::string> all{"- ",
                               ": ",
                               "{",
                               "}",
                               "[",
                               "]",
                               "? ",
                               "|\n",
                               ">\n",
                               "\"",
                               "'",
                               "#",
                               "---\n",
                               "...\n",
                               "&a ",
                               "*a",
                               "<<: ",
                               "!!int ",
                               "! ",
                               "~",
                               "null",
                               "true",
                               "none",
                               "auto",
                               ".inf",
                               ".nan",
                               "0x10",
                               "\t",
                               "\n  ",
                               "\r\n",
                               "%YAML ",
                               "1e400",
                               "\xff\xfe",
                               "\xef\xbb\xbf",
                               "\\x",
                               "=",
                               "1e12",
                               "-1",
                               ".",
                               "simulation.types.0.gain=",
                               "types: [{gain: 1}]"};
  for (const Key& key : config_keys()) {
    all.emplace_back(key.path);
    all.emplace_back(key.path.substr(key.path.rfind('.') + 1));
  }
  return all;
}

}  // namespace

const Target kConfig{"config", [](View input) { return outcome_of(read, input); },
                     [] { return files_of(corpus_of("config")); }, words};

}  // namespace weft::fuzz
