#pragma once

#include <exception>
#include <optional>
#include <string>

namespace weft {

/// What LibTorch says, in a line, of a device whose memory is used up; nothing for any other error. Local.
std::optional<std::string> words_of_out_of_memory(const std::exception& error);

}  // namespace weft
