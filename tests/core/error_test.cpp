#include "weft/core/error.hpp"

#include <algorithm>
#include <source_location>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(UserError, SaysPlaceFoundExpectedAndRemedyInOneLine) {
  const UserError error({"run.yaml:7", "neurons: -3", "1 or more", "correct it"});
  EXPECT_STREQ(error.what(), "run.yaml:7: neurons: -3; expected 1 or more; correct it");
}

TEST(UserError, LeavesOutWhatIsEmpty) {
  EXPECT_STREQ(UserError({"activity.h5", "no such file", "", "check data.path"}).what(),
               "activity.h5: no such file; check data.path");
  EXPECT_STREQ(UserError({"activity.h5", "no such file", "", ""}).what(), "activity.h5: no such file");
}

TEST(UserError, TakesOverALineAsItIs) {
  EXPECT_STREQ(UserError(std::string("rank 2: disk full; expected room")).what(),
               "rank 2: disk full; expected room");
}

TEST(UnidentifiableError, SaysInOneLineWhatTheDataLack) {
  const UnidentifiableError error({"data", "100 frames", "more than 140", "record more frames"});
  EXPECT_STREQ(error.what(), "data: 100 frames; expected more than 140; record more frames");
  EXPECT_STREQ(UnidentifiableError(std::string("rank 1: too few")).what(), "rank 1: too few");
}

std::string message_of_broken_invariant(std::source_location& where) {
  try {
    where = std::source_location::current();
    require(false, "two and two are five");
  } catch (const InternalError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(InternalError, CarriesThePlaceInTheSourceAndTheCallStack) {
  std::source_location line_above;
  const std::string message = message_of_broken_invariant(line_above);
  const std::string place = std::string(line_above.file_name()) + ":" + std::to_string(line_above.line() + 1);
  EXPECT_THAT(message, testing::StartsWith("two and two are five (a bug in Weft, at " + place + " in "));
  EXPECT_THAT(message, testing::HasSubstr("message_of_broken_invariant"));
  // At least the test's own frames and main's, one a line, each with an address.
  const std::string stack = message.substr(message.find('\n'));
  EXPECT_GT(std::count(stack.begin(), stack.end(), '\n'), 3);
  EXPECT_THAT(stack, testing::ContainsRegex("core_test.*\\[0x[0-9a-f]+\\]"));
}

TEST(InternalError, IsNotThrownWhereTheInvariantHolds) { EXPECT_NO_THROW(require(true, "unused")); }

}  // namespace
}  // namespace weft
