#pragma once

#include <filesystem>
#include <string>

namespace weft {

/// Runs `gnuplot <script>` in `folder`, without a shell and without the user's own gnuplot settings. Local.
/// @throws UserError where gnuplot is not installed, or with what it said where it failed.
void run_gnuplot(const std::filesystem::path& folder, const std::string& script);

}  // namespace weft
