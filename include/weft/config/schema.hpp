#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weft/config/config.hpp"

namespace weft {

/// A value of a config, whatever its type.
using Field =
    std::variant<std::int64_t*, std::uint64_t*, int*, bool*, double*, std::optional<double>*, std::string*,
                 std::filesystem::path*, DeviceKind*, ConnectivityDistribution*, TrainingMethod*,
                 DivergencePolicy*>;

/// The numbers that a key may take.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_excluded = false;
  bool high_excluded = false;

  bool contains(double value) const;
};

/// One key of the config, the source of all that is known about it: reading, printing, hashing and
/// documentation.
struct Key {
  std::string_view path;  ///< such as `simulation.dt`; `[]` stands for each item of a list
  Field (*field)(Config&,
                 std::size_t item);  ///< its place in a Config; `item` counts in the list, if it is in one
  Range range;
  std::vector<Stage> matters_to;  ///< the stages whose files its value decides directly
  std::string_view meaning;       ///< one sentence, with the unit
  std::string_view absent = "";   ///< the word that stands for no number, where the value is optional

  bool in_list() const { return path.find("[]") != std::string_view::npos; }
  /// Its path with the number of the item for `[]`, as an override names it.
  std::string path_of(std::size_t item) const;
};

/// A map of the config that holds keys or other maps; `[]` at its end says that it is each item of a list.
struct Section {
  std::string_view path;
  std::string_view meaning;
};

/// Every key, in the order of the documentation.
std::span<const Key> config_keys();
/// Every section in the same order, the whole file (an empty path) first.
std::span<const Section> config_sections();

/// Everything at its default, the paper's four neuron types included; only `name` is empty.
Config default_config();

/// How many values a key has in this config: the number of neuron types for a key of theirs, else 1.
std::size_t item_count(const Config& config, const Key& key);
/// The value as it is written in YAML; numbers read back to the same bits.
std::string value_text(const Config& config, const Key& key, std::size_t item = 0);
/// Whether the key's value shows in what `stage` writes, directly or through the files of a stage before it;
/// `stage_hash` is of these keys. With `data.path`, keys of the simulation matter to the simulate stage
/// alone.
bool matters(const Config& config, const Key& key, Stage stage);

}  // namespace weft
