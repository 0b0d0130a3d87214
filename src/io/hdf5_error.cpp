#include "io/hdf5_error.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

namespace weft::hdf5 {
namespace {

using Descriptions = std::vector<std::string>;

herr_t collect(unsigned, const H5E_error2_t* error, void* descriptions) {
  if (error->desc != nullptr) static_cast<Descriptions*>(descriptions)->emplace_back(error->desc);
  return 0;
}

/// HDF5's error stack, the cause first.
Descriptions error_stack() {
  Descriptions descriptions;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect, &descriptions);
  return descriptions;
}

bool mentions(const Descriptions& stack, std::string_view words) {
  return std::any_of(stack.begin(), stack.end(),
                     [&](const auto& text) { return text.find(words) != text.npos; });
}

/// The errno that HDF5 writes into its descriptions as "errno = 28".
std::optional<int> system_error(const Descriptions& stack) {
  constexpr std::string_view kMark = "errno = ";
  for (const std::string& text : stack) {
    const std::size_t at = text.find(kMark);
    if (at != text.npos) return std::atoi(text.c_str() + at + kMark.size());
  }
  return std::nullopt;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

void prepare_library() {
  // At the end of the program HDF5 would try again to close a file that it could not close, and crash.
  H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

void throw_hdf5_error(const std::string& place, const std::string& what_failed) {
  const Descriptions stack = error_stack();
  if (mentions(stack, "lock file")) {
    throw UserError({place, what_failed + ": it cannot be locked", "",
                     "close the program that has it open; on a file system without locks set "
                     "HDF5_USE_FILE_LOCKING=FALSE"});
  }
  if (mentions(stack, "signature not found")) {
    throw UserError({place, "not an HDF5 file", "an HDF5 file", "check the path"});
  }
  if (mentions(stack, "truncated file") || mentions(stack, "addr overflow")) {
    throw UserError({place, "a truncated HDF5 file: it is shorter than it says of itself", "a whole file",
                     "copy or make it again"});
  }
  if (const std::optional<int> code = system_error(stack)) throw_file_error(place, what_failed, *code);
  const std::string cause = stack.empty() ? "HDF5 gives no reason" : one_line(stack.front());
  throw UserError({place, what_failed + ": " + cause, "", ""});
}

}  // namespace weft::hdf5
