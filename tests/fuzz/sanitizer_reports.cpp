#include "sanitizer_reports.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/io/files.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <dlfcn.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace weft::fuzz {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kName = "report_";  // of which sanitizer, and of the process with which number

#if defined(__SANITIZE_ADDRESS__)
using SetPath = void (*)(const char*);

/// Each of the two sanitizers has a library of its own with this function; a plain call is to the first's.
SetPath set_path_of_undefined() {
  void* const library = dlopen("libubsan.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) throw std::runtime_error("no library of the undefined-behaviour sanitizer");
  return reinterpret_cast<SetPath>(dlsym(library, "__sanitizer_set_report_path"));
}

void report_to(const fs::path& folder) {
  static const SetPath set_path = set_path_of_undefined();
  __sanitizer_set_report_path((folder / kName).concat("address").c_str());
  set_path((folder / kName).concat("undefined").c_str());
}
#else
void report_to(const fs::path&) {}
#endif

std::vector<std::string> take_from(const fs::path& folder) {
  std::vector<std::string> reports;
  for (const fs::path& file : list_folder(folder)) {
    if (!file.filename().string().starts_with(kName)) continue;
    reports.push_back(read_text(file));
    fs::remove(file);
  }
  if (!reports.empty()) report_to(folder);  // a sanitizer would go on writing to the file that is removed
  return reports;
}

/// Where a report first names code of ours. The sanitizer's own sources lie below a folder src, too.
std::size_t first_of_ours(std::string_view report) {
  std::size_t source = report.find("/src/");
  while (source != report.npos && report.substr(source).starts_with("/src/libsanitizer"))
    source = report.find("/src/", source + 1);
  return std::min(report.find("weft::"), source);
}

/// A stack lists the innermost call first, with the name or the source file of what is called, seldom both.
bool is_of_hdf5(std::string_view report) { return report.find("libhdf5") < first_of_ours(report); }

/// Undefined behaviour is noticed only in what is compiled here. Warnings, of too large an allocation, are no
/// errors.
bool is_ours(std::string_view report) {
  if (report.find("runtime error: ") != report.npos) return true;
  return report.find("ERROR: ") != report.npos && !is_of_hdf5(report);
}

}  // namespace

SanitizerReports::SanitizerReports(fs::path folder) : folder_(std::move(folder)) { report_to(folder_); }

std::string SanitizerReports::take_ours() const {
  std::string ours;
  for (const std::string& report : take_from(folder_)) {
    if (is_ours(report)) ours += report;
  }
  return ours;
}

std::string SanitizerReports::take_all() const {
  std::string all;
  for (const std::string& report : take_from(folder_)) all += report;
  return all;
}

}  // namespace weft::fuzz
