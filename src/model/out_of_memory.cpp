#include "weft/model/out_of_memory.hpp"

#include <algorithm>

#include <c10/util/Exception.h>

namespace weft {

std::optional<std::string> words_of_out_of_memory(const std::exception& error) {
  const auto* const found = dynamic_cast<const c10::OutOfMemoryError*>(&error);
  if (found == nullptr) return std::nullopt;
  // "CUDA out of memory. Tried to allocate 2.00 GiB. ", and then a page on the allocator.
  const std::string all = found->msg();
  const std::size_t first = all.find(". ");
  const std::size_t second = first == std::string::npos ? first : all.find(". ", first + 2);
  return all.substr(0, std::min(second, all.find('\n')));
}

}  // namespace weft
