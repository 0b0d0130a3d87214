#include "python.hpp"

#include <array>
#include <cstdio>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.hpp"

namespace weft {

std::string run_command(const std::string& command, const std::filesystem::path& folder) {
  std::FILE* const pipe = popen(fmt::format("cd '{}' && {} 2>&1", folder.string(), command).c_str(), "r");
  if (pipe == nullptr) {
    ADD_FAILURE() << "no shell for: " << command;
    return {};
  }
  std::string output;
  std::array<char, 4096> part;
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe))
    output.append(part.data(), count);
  EXPECT_EQ(pclose(pipe), 0) << command << "\n" << output;
  return output;
}

std::string run_python(const std::string& script, const std::filesystem::path& folder) {
  const TemporaryFolder scripts;
  const std::filesystem::path file = scripts.path() / "script.py";
  std::ofstream(file) << script;
  return run_command("/usr/bin/python3 '" + file.string() + "'", folder);
}

}  // namespace weft
