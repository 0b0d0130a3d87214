#pragma once

#include <filesystem>

namespace weft {

/// The top folder of the sources.
std::filesystem::path source_folder();
/// The folder of the golden files.
std::filesystem::path golden_folder();
/// The weft program of this build.
std::filesystem::path weft_program();

}  // namespace weft
