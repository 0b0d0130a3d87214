#pragma once

#include <filesystem>
#include <string>

namespace weft::fuzz {

/// What sanitizers report of this process and of those that it forks, also where these have no stderr: the
/// dataset reader lets a child process go first, whose crash is no more than a refusal. Nothing is reported
/// in a build without sanitizers.
class SanitizerReports {
 public:
  /// From now on reports are files in `folder`.
  explicit SanitizerReports(std::filesystem::path folder);

  /// Takes all reports there are, and returns those of errors in our code: HDF5 is not held to account here.
  std::string take_ours() const;
  /// Takes all reports there are.
  std::string take_all() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace weft::fuzz
