#include <filesystem>
#include <limits>

#include <gtest/gtest.h>

#include "weft/config/config.hpp"
#include "weft/config/schema.hpp"

#include "support/paths.hpp"

namespace weft {
namespace {

/// Bit for bit, through the pointers into the two configs and not through their text.
bool same_value(const Field& a, const Field& b) {
  return std::visit(
      [&](const auto* value) {
        using Pointer = std::remove_const_t<std::remove_pointer_t<decltype(value)>>*;
        return *value == *std::get<Pointer>(b);
      },
      a);
}

void expect_same(Config a, Config b) {
  ASSERT_EQ(a.simulation.types.size(), b.simulation.types.size());
  for (const Key& key : config_keys()) {
    for (std::size_t item = 0; item < item_count(a, key); ++item) {
      EXPECT_TRUE(same_value(key.field(a, item), key.field(b, item)))
          << key.path_of(item) << ": " << value_text(a, key, item) << " came back as "
          << value_text(b, key, item);
    }
  }
}

void expect_round_trip(const Config& config) {
  const std::string yaml = to_yaml(config);
  const Config again = parse_config(yaml, "other_name.yaml");
  expect_same(config, again);
  EXPECT_EQ(to_yaml(again), yaml);
}

TEST(ToYaml, OfDefaultsReadsBack) { expect_round_trip(parse_config("", "defaults.yaml")); }

TEST(ToYaml, OfShippedConfigsReadsBack) {
  for (const auto& entry : std::filesystem::directory_iterator(source_folder() / "configs")) {
    SCOPED_TRACE(entry.path());
    expect_round_trip(load_config(entry.path()));
  }
}

TEST(ToYaml, KeepsEveryBitOfANumber) {
  Config config = parse_config("", "numbers.yaml");
  config.seed = std::numeric_limits<std::uint64_t>::max();
  config.simulation.dt = 0.1 + 0.2;
  config.simulation.noise = std::numeric_limits<double>::denorm_min();
  config.simulation.connectivity.cutoff = std::numeric_limits<double>::max();
  config.simulation.connectivity.exponent = 2.0 / 3.0;
  config.simulation.derivative_snr_db = 10.0 / 3.0;
  config.simulation.types = {{.gain = -1e-17, .self_coupling = 1e22, .tau = 1.0 / 3.0}};
  config.training.steps = 999999999999;
  expect_round_trip(config);
}

TEST(ToYaml, KeepsTextsThatYamlWouldReadOtherwise) {
  for (const std::string text : {"123", "null", "~", "yes: no", "# not a comment", "say \"hi\"",
                                 "back\\slash", " spaced ", "[a, b]", "\xc3\xa9t\xc3\xa9"}) {
    Config config = parse_config("", "texts.yaml");
    config.name = text;
    config.data.path = "data/" + text;
    config.training.psi_groups = "groups/" + text;
    expect_round_trip(config);
  }
}

TEST(ToYaml, IsWrittenForReaders) {
  const std::string yaml = to_yaml(parse_config("", "readable.yaml"));
  EXPECT_NE(yaml.find("name: \"readable\"\nseed: 42\ndevice: auto\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("  types:\n    - {gain: 10, self_coupling: 1, tau: 1}\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("    exponent: auto\n"), std::string::npos) << yaml;
  EXPECT_NE(yaml.find("  derivative_snr_db: none\n"), std::string::npos) << yaml;
}

}  // namespace
}  // namespace weft
