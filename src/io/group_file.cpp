#include "weft/io/group_file.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kBlanks = " \t\r";

/// Without blanks at its ends.
std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The lines without blanks at their ends, and without empty ones behind the last number.
std::vector<std::string> lines_of(const fs::path& file) {
  std::istringstream text(read_text(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.emplace_back(trimmed(line));
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::int64_t number_of(const fs::path& file, std::size_t line, const std::string& word,
                       std::int64_t neurons) {
  std::int64_t number = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, number);
  if (error == std::errc() && stop == end && number >= 0 && number < neurons) return number;
  throw UserError({fmt::format("{}:{}", file.string(), line), fmt::format("'{}'", word),
                   fmt::format("the group of neuron {}, a whole number from 0 to {}", line - 1, neurons - 1),
                   "correct it"});
}

void check_every_group_has_a_neuron(const fs::path& file, const std::vector<std::int64_t>& groups) {
  const auto largest = std::ranges::max_element(groups);
  std::vector<bool> seen(static_cast<std::size_t>(*largest) + 1);
  for (const std::int64_t group : groups) seen[static_cast<std::size_t>(group)] = true;
  const auto missing = std::ranges::find(seen, false);
  if (missing == seen.end()) return;
  throw UserError({fmt::format("{}:{}", file.string(), largest - groups.begin() + 1),
                   fmt::format("group {}, while no neuron is in group {}", *largest, missing - seen.begin()),
                   "groups numbered from 0 without a gap", "number them anew"});
}

}  // namespace

std::vector<std::int64_t> read_group_file(const fs::path& file, std::int64_t neurons) {
  const std::vector<std::string> lines = lines_of(file);
  if (std::ssize(lines) != neurons) {
    throw UserError({file.string(), fmt::format("{} lines", lines.size()),
                     fmt::format("{}, one for each neuron", neurons), "name a group for each neuron"});
  }
  std::vector<std::int64_t> groups;
  for (std::size_t i = 0; i < lines.size(); ++i) groups.push_back(number_of(file, i + 1, lines[i], neurons));
  check_every_group_has_a_neuron(file, groups);
  return groups;
}

}  // namespace weft
