#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weft/report/html.hpp"

namespace weft {

/// `metrics[group][key]` where it is there and a number.
std::optional<double> find_number(const nlohmann::json& metrics, const std::string& group,
                                  const std::string& key);

/// The numbers that a reader looks for first, those that are known.
std::vector<ReportRow> headline_tiles(const nlohmann::json& metrics);

/// Every number and text of metrics.json under its own name (`group.key`), with a short definition where
/// there is one: what was recovered, the neuron types, what the data hold and how the solver got there, then
/// time and memory, then what produced it. Types, warnings and phases are put into words; other arrays, which
/// panels show, are left out.
std::vector<ReportTable> metric_tables(const nlohmann::json& metrics);

}  // namespace weft
