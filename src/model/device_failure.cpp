#include "weft/model/device_failure.hpp"

#include <algorithm>

#include <c10/util/Exception.h>

namespace weft {
namespace {

/// The first line, and of that two sentences: "CUDA out of memory. Tried to allocate 2.00 GiB. ", and then a
/// page on the allocator.
std::string beginning_of(const std::string& text) {
  const std::size_t first = text.find(". ");
  const std::size_t second = first == std::string::npos ? first : text.find(". ", first + 2);
  return text.substr(0, std::min(second, text.find('\n')));
}

}  // namespace

std::optional<std::string> words_of_device_failure(const std::exception& error) {
  if (const auto* const lack = dynamic_cast<const c10::OutOfMemoryError*>(&error)) {
    return beginning_of(lack->msg()) +
           "; start more ranks, each with a GPU of its own, or take fewer neurons, trajectories or frames a "
           "batch";
  }
  if (const auto* const fault = dynamic_cast<const c10::AcceleratorError*>(&error)) {
    return beginning_of(fault->msg()) +
           "; see whether nvidia-smi and the system's log (dmesg) tell of a fault; run on another GPU";
  }
  return std::nullopt;
}

}  // namespace weft
