#include "weft/core/error.hpp"

#include <array>
#include <cstdlib>

#include <execinfo.h>
#include <fmt/format.h>

namespace weft {
namespace {

/// What was found may come from anywhere: line ends and other control characters are written as \x0a.
std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = byte < 0x20 || byte == 0x7f;
    line += control ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return line;
}

std::string sentence(const Complaint& complaint) {
  std::string line = fmt::format("{}: {}", complaint.place, complaint.found);
  if (!complaint.expected.empty()) line += fmt::format("; expected {}", complaint.expected);
  if (!complaint.remedy.empty()) line += fmt::format("; {}", complaint.remedy);
  return on_one_line(line);
}

std::string call_stack() {
  std::array<void*, 32> frames{};
  const int depth = backtrace(frames.data(), static_cast<int>(frames.size()));
  char** names = backtrace_symbols(frames.data(), depth);
  std::string text;
  for (int i = 2; names != nullptr && i < depth; ++i) text += fmt::format("\n    {}", names[i]);
  std::free(names);
  return text;
}

}  // namespace

UserError::UserError(const Complaint& complaint) : std::runtime_error(sentence(complaint)) {}

UnidentifiableError::UnidentifiableError(const Complaint& complaint)
    : std::runtime_error(sentence(complaint)) {}

InternalError::InternalError(std::string_view what, std::source_location where)
    : std::runtime_error(fmt::format("{} (a bug in Weft, at {}:{} in {}){}", what, where.file_name(),
                                     where.line(), where.function_name(), call_stack())) {}

void require(bool invariant, std::string_view what, std::source_location where) {
  if (!invariant) throw InternalError(what, where);
}

}  // namespace weft
