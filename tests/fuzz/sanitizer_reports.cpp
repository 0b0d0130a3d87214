#include "sanitizer_reports.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include "weft/io/files.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace weft::fuzz {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kName = "report";  // with the number of the process behind it

std::vector<std::string> take_from(const fs::path& folder) {
  std::vector<std::string> reports;
  for (const fs::path& file : list_folder(folder)) {
    if (file.stem() != kName) continue;
    reports.push_back(read_text(file));
    fs::remove(file);
  }
  return reports;
}

bool is_an_error(std::string_view report) {
  return report.find("ERROR: ") != report.npos || report.find("runtime error: ") != report.npos;
}

/// A stack lists the innermost call first.
bool is_of_hdf5(std::string_view report) { return report.find("libhdf5") < report.find("weft::"); }

}  // namespace

SanitizerReports::SanitizerReports(fs::path folder) : folder_(std::move(folder)) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_report_path((folder_ / kName).c_str());
#endif
}

std::string SanitizerReports::take_ours() const {
  std::string ours;
  for (const std::string& report : take_from(folder_)) {
    if (is_an_error(report) && !is_of_hdf5(report)) ours += report;
  }
  return ours;
}

std::string SanitizerReports::take_all() const {
  std::string all;
  for (const std::string& report : take_from(folder_)) all += report;
  return all;
}

}  // namespace weft::fuzz
