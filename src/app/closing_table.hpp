#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weft/app/stages.hpp"
#include "weft/comm/traffic.hpp"
#include "weft/core/phase.hpp"

namespace weft {

/// What a rank can do at best while the others do the same.
struct MachineLimits {
  double flops_per_second = 0;
  double bytes_per_second = 0;
};

/// Where the time of rank 0 went, as the log shows it at the end: for each stage its phases, the longest
/// first, with seconds and share of the whole, the rates of what is counted on paper and, where the limits
/// are known, their share of these; then what was communicated. Phases of less than a thousandth are summed
/// up. Local.
std::vector<std::string> closing_table(std::span<const PhaseTime> phases, const Traffic& traffic,
                                       const std::optional<MachineLimits>& limits);

/// What this machine gives, by a third of a second of work; nothing where the run was too short for that to
/// be worth it, where there is not enough memory for it, or where it fails. All ranks measure at once, as
/// they share what they have. @collective
std::optional<MachineLimits> measure_limits(const StageContext& context);

/// Writes the table of what the process has done so far to the log. Local.
void log_where_time_went(const std::optional<MachineLimits>& limits);

}  // namespace weft
