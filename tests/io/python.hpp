#pragma once

#include <filesystem>
#include <string>

namespace weft {

/// What a command of the shell prints to both of its streams, run in `folder`; fails the test where it fails.
std::string run_command(const std::string& command, const std::filesystem::path& folder);

/// What a Python script prints, run in `folder` by the system's Python, which has h5py.
std::string run_python(const std::string& script, const std::filesystem::path& folder);

}  // namespace weft
