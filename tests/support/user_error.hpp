#pragma once

#include <functional>
#include <initializer_list>
#include <source_location>
#include <string_view>

namespace weft {

/// Fails the running test unless `action` throws a UserError of one line that holds every one of
/// `substrings`.
void expect_user_error(const std::function<void()>& action,
                       std::initializer_list<std::string_view> substrings,
                       std::source_location where = std::source_location::current());

}  // namespace weft
