#include "support/user_error.hpp"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

std::optional<std::string> user_error_of(const std::function<void()>& action, std::source_location where) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE_AT(where.file_name(), where.line())
        << "expected a UserError, got another exception: " << error.what();
    return std::nullopt;
  }
  ADD_FAILURE_AT(where.file_name(), where.line()) << "expected a UserError, nothing was thrown";
  return std::nullopt;
}

}  // namespace

void expect_user_error(const std::function<void()>& action,
                       std::initializer_list<std::string_view> substrings, std::source_location where) {
  const std::optional<std::string> message = user_error_of(action, where);
  if (!message) return;
  if (message->find('\n') != std::string::npos) {
    ADD_FAILURE_AT(where.file_name(), where.line()) << "the message is more than one line: " << *message;
  }
  for (const std::string_view part : substrings) {
    if (message->find(part) == std::string::npos) {
      ADD_FAILURE_AT(where.file_name(), where.line())
          << "\"" << part << "\" is not in the message: " << *message;
    }
  }
}

}  // namespace weft
