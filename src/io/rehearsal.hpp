#pragma once

#include <filesystem>
#include <functional>

namespace weft {

/// Does `reading` in a child process, once, before it is done for good: HDF5 crashes, or never ends, on some
/// files that are damaged, and here that ends the child alone. What `reading` throws is left to the time when
/// it is done for good. Local.
/// @throws UserError that calls `file` damaged where the child did not survive.
void rehearse(const std::filesystem::path& file, const std::function<void()>& reading);

}  // namespace weft
