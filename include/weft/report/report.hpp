#pragma once

#include <filesystem>
#include <string>

namespace weft {

/// Draws the panels and writes `results/report.html` of a run, from `results/evaluation.h5`,
/// `results/metrics.json`, `config.yaml` and the loss history of the newest checkpoint; nothing else is read.
/// `config_hash` is kept in the page, so that a later run can tell whether it is still valid. The page is
/// written last and renamed into place. Local: to be called by one rank.
/// @throws UserError where a file is missing or not what it should be, or gnuplot is missing or fails.
void write_report(const std::filesystem::path& run_folder, const std::string& config_hash);

}  // namespace weft
