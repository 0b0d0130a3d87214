#include "weft/core/version.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(BuildInfo, NamesVersionCommitAndLibTorch) {
  const BuildInfo info = build_info();
  EXPECT_THAT(std::string(info.version), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(std::string(info.torch), testing::StartsWith("2.11.0"));
  EXPECT_THAT(std::string(info.commit), testing::MatchesRegex("[0-9a-z][^ \n]*"));
}

TEST(VersionLine, NamesVersionAndCommit) {
  const BuildInfo info = build_info();
  EXPECT_EQ(version_line(), std::string(info.version) + " (" + std::string(info.commit) + ")");
}

}  // namespace
}  // namespace weft
