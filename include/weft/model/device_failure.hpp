#pragma once

#include <exception>
#include <optional>
#include <string>

namespace weft {

/// What LibTorch says of a device that failed, lost or without memory, in a line with a remedy; nothing for
/// any other error. Local.
std::optional<std::string> words_of_device_failure(const std::exception& error);

}  // namespace weft
