#pragma once

#include <initializer_list>
#include <source_location>
#include <string_view>

#include "weft_process.hpp"

namespace weft {

/// Fails the running test unless `weft` ended with exit code 2 and told one line on stderr that holds every
/// one of `parts`.
void expect_mistake(const ProcessResult& result, std::initializer_list<std::string_view> parts,
                    std::source_location where = std::source_location::current());

/// The same for data that do not hold the answer, with exit code 1.
void expect_no_answer(const ProcessResult& result, std::initializer_list<std::string_view> parts,
                      std::source_location where = std::source_location::current());

}  // namespace weft
