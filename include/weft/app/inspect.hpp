#pragma once

#include <filesystem>
#include <string>

namespace weft {

/// Says in words what a dataset, a checkpoint folder or a run's folder holds. Local.
/// @throws UserError where the path is none of these.
std::string inspect(const std::filesystem::path& path);

}  // namespace weft
