#include "support/paths.hpp"

namespace weft {

std::filesystem::path source_folder() { return WEFT_SOURCE; }

std::filesystem::path golden_folder() { return source_folder() / "tests" / "golden"; }

std::filesystem::path weft_program() { return WEFT_PROGRAM; }

}  // namespace weft
