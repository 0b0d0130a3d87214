#include "weft/app/command_line.hpp"

#include "target.hpp"

namespace weft::fuzz {
namespace {

void read(View input) {
  const std::vector<std::string> arguments = split_at_nul(input);
  std::vector<const char*> argv{"weft"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  argv.push_back(nullptr);
  parse_command_line(static_cast<int>(argv.size()) - 1, argv.data());
}

std::vector<std::string> words() {
  const std::string between(1, '\0');
  std::vector<std::string> all{between, "--", "-",  "=",  "[",  "]", ",",
                               "\"",    "'",  "\\", "{}", "%s", "@", "\n"};
  for (const char* word : {"run",
                           "simulate",
                           "train",
                           "evaluate",
                           "report",
                           "config",
                           "inspect",
                           "--help",
                           "-h",
                           "--version",
                           "--output",
                           "--set",
                           "--redo",
                           "--log-level",
                           "--reference",
                           "--resume",
                           "--max-hours",
                           "info",
                           "off",
                           "auto",
                           "must",
                           "never",
                           "0.5",
                           "nan",
                           "inf",
                           "-1",
                           "1e400",
                           "config.yaml",
                           "training.steps=10",
                           ""}) {
    all.push_back(word);
    all.push_back(between + word);
    all.push_back(word + between);
  }
  return all;
}

}  // namespace

const Target kCommandLine{"command_line", [](View input) { return outcome_of(read, input); },
                          [] { return files_of(corpus_of("command_line")); }, words};

}  // namespace weft::fuzz
