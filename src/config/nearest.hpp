#pragma once

#include <string>
#include <string_view>

namespace weft {

/// The known key or section most like `pattern` (a dotted path with `[]` for list items), by the edit
/// distance of whole paths or of last words, so that a slip of the finger and a key in the wrong section both
/// find theirs.
std::string nearest_key(std::string_view pattern);

}  // namespace weft
