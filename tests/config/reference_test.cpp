#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "weft/config/config.hpp"
#include "weft/config/schema.hpp"

#include "support/paths.hpp"

namespace weft {
namespace {

TEST(Reference, IsTheDocumentationFile) {
  std::ifstream file(source_folder() / "docs" / "configuration.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_TRUE(text == configuration_reference())
      << "docs/configuration.md is out of date; run: weft config --reference > docs/configuration.md";
}

TEST(Reference, NamesEveryKeyWithItsMeaning) {
  const std::string text = configuration_reference();
  for (const Key& key : config_keys()) {
    EXPECT_NE(text.find("| `" + std::string(key.path) + "` |"), std::string::npos) << key.path;
    EXPECT_NE(text.find(key.meaning), std::string::npos) << key.path;
  }
}

TEST(Reference, ItsExampleIsAConfig) {
  const std::string text = configuration_reference();
  const std::size_t begin = text.find("```yaml\n") + 8;
  const Config config = parse_config(text.substr(begin, text.find("```", begin) - begin), "example.yaml");
  EXPECT_EQ(config.name, "two_types");
  EXPECT_EQ(config.simulation.types.size(), 2u);
  EXPECT_EQ(config.training.steps, 100000);
}

}  // namespace
}  // namespace weft
