#include "mistake.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

void expect_line(const ProcessResult& result, int exit_code, std::initializer_list<std::string_view> parts,
                 std::source_location where) {
  const auto fail = [&](const std::string& what) {
    ADD_FAILURE_AT(where.file_name(), where.line()) << what << "; on stderr:\n" << result.err;
  };
  if (result.exit_code != exit_code) fail("exit code " + std::to_string(result.exit_code));
  if (!result.err.starts_with("weft: ")) fail("the message is not weft's");
  if (std::ranges::count(result.err, '\n') != 1 || !result.err.ends_with('\n')) fail("not one line");
  for (const std::string_view part : parts) {
    if (result.err.find(part) == std::string::npos) fail(fmt::format("\"{}\" is not in the message", part));
  }
}

}  // namespace

void expect_mistake(const ProcessResult& result, std::initializer_list<std::string_view> parts,
                    std::source_location where) {
  expect_line(result, 2, parts, where);
}

void expect_no_answer(const ProcessResult& result, std::initializer_list<std::string_view> parts,
                      std::source_location where) {
  expect_line(result, 1, parts, where);
}

}  // namespace weft
