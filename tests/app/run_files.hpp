#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace weft {

/// results/metrics.json of a run.
nlohmann::json metrics_of(const std::filesystem::path& run);

/// The metrics without what differs from run to run: times, memory, and where, when and by whom they were
/// made.
nlohmann::json findings_of(const std::filesystem::path& run);

/// Every array of a simulated dataset, as its view shows it.
std::map<std::string, std::vector<double>> dataset_of(const std::filesystem::path& run);

/// Every array of the latest checkpoint.
std::map<std::string, std::vector<double>> checkpoint_of(const std::filesystem::path& run);

/// The size of results/panel_<letter>_*<ending>; 0 where there is no such file.
std::uintmax_t bytes_of_panel(const std::filesystem::path& run, char letter, const std::string& ending);

}  // namespace weft
