#pragma once

#include <string>

namespace weft {

/// The text with what is no UTF-8 in it replaced, as bytes of a file's name may be. Local.
std::string as_utf8(const std::string& text);

}  // namespace weft
