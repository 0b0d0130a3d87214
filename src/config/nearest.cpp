#include "nearest.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "weft/config/schema.hpp"

namespace weft {
namespace {

/// Levenshtein's: insertions, deletions and substitutions that make one word of the other.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t substituted = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string_view last_word(std::string_view path) { return path.substr(path.rfind('.') + 1); }

std::size_t unlikeness(std::string_view wanted, std::string_view known) {
  const std::size_t elsewhere = edit_distance(last_word(wanted), last_word(known)) + 1;
  return std::min(edit_distance(wanted, known), elsewhere);
}

}  // namespace

std::string nearest_key(std::string_view pattern) {
  constexpr std::size_t kLongest = 200;  // what is longer is like no key, and takes long to compare
  pattern = pattern.substr(0, kLongest);
  std::string_view best;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  const auto consider = [&](std::string_view path) {
    const std::size_t distance = unlikeness(pattern, path);
    if (path.empty() || distance >= least) return;
    least = distance;
    best = path;
  };
  for (const Key& key : config_keys()) consider(key.path);
  for (const Section& section : config_sections()) consider(section.path.substr(0, section.path.rfind("[]")));
  return std::string(best);
}

}  // namespace weft
