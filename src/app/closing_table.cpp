#include "app/closing_table.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/comm/sums.hpp"
#include "weft/core/log.hpp"
#include "weft/model/machine_speed.hpp"
#include "weft/ops/memory.hpp"

namespace weft {
namespace {

constexpr double kLeastShare = 0.001;
/// A run that is over sooner is not made longer by measuring [s].
constexpr double kWorthMeasuring = 20;
/// Of each rank, with room to spare [bytes].
constexpr std::int64_t kMemoryToMeasure = std::int64_t{1} << 30;

double seconds_of(std::span<const PhaseTime> phases) {
  double seconds = 0;
  for (const PhaseTime& phase : phases) seconds += phase.seconds;
  return seconds;
}

bool is_worth_measuring(int ranks) {
  return seconds_of(phase_times()) >= kWorthMeasuring &&
         machine_memory().available > ranks * kMemoryToMeasure;
}

std::string rate_text(double amount, double seconds) {
  return amount > 0 && seconds > 0 ? fmt::format("{:.1f}", amount / seconds / 1e9) : "";
}

/// Of what the machine gives at best.
std::string share_of_limit(double amount, double seconds, double limit) {
  return amount > 0 && seconds > 0 && limit > 0 ? fmt::format("{:.0f}%", 100 * amount / seconds / limit) : "";
}

/// Stage, phase, seconds, share, GFLOP/s, of its limit, GB/s, of its limit.
using Row = std::array<std::string, 8>;

std::string line_of(const Row& row) {
  std::string line = fmt::format("  {:<9} {:<28} {:>10} {:>7} {:>9} {:>8} {:>8} {:>8}", row[0], row[1],
                                 row[2], row[3], row[4], row[5], row[6], row[7]);
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

Row row_of(const PhaseTime& phase, double total, const MachineLimits& limits) {
  const auto& [flops, bytes] = phase.work;
  return {phase.stage.empty() ? "start" : phase.stage,
          phase.phase,
          fmt::format("{:.2f}", phase.seconds),
          fmt::format("{:.1f}%", 100 * phase.seconds / total),
          rate_text(flops, phase.seconds),
          share_of_limit(flops, phase.seconds, limits.flops_per_second),
          rate_text(bytes, phase.seconds),
          share_of_limit(bytes, phase.seconds, limits.bytes_per_second)};
}

/// Stages in their order, phases by time; those that hardly count as one.
std::vector<PhaseTime> in_order(std::span<const PhaseTime> phases, double total) {
  std::vector<std::string> stages;
  for (const PhaseTime& phase : phases)
    if (std::ranges::find(stages, phase.stage) == stages.end()) stages.push_back(phase.stage);
  std::vector<PhaseTime> ordered;
  PhaseTime rest{"all", "what is below 0.1%", 0, {}};
  for (const std::string& stage : stages) {
    std::vector<PhaseTime> of_stage;
    for (const PhaseTime& phase : phases) {
      if (phase.stage != stage) continue;
      if (phase.seconds >= kLeastShare * total) {
        of_stage.push_back(phase);
      } else {
        rest.seconds += phase.seconds;
      }
    }
    std::ranges::stable_sort(of_stage, std::greater(), &PhaseTime::seconds);
    ordered.insert(ordered.end(), of_stage.begin(), of_stage.end());
  }
  if (rest.seconds > 0) ordered.push_back(rest);
  return ordered;
}

std::string bytes_text(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  return bytes >= 1e6 ? fmt::format("{:.2f} MB", bytes / 1e6) : fmt::format("{:.2f} kB", bytes / 1e3);
}

std::string traffic_line(const Traffic& traffic) {
  std::vector<std::string> parts;
  for (std::size_t k = 0; k < kCollectives; ++k) {
    if (traffic.calls[k] == 0) continue;
    parts.push_back(fmt::format("{} {} in {} calls", collective_name(static_cast<Collective>(k)),
                                bytes_text(static_cast<double>(traffic.bytes[k])), traffic.calls[k]));
  }
  return parts.empty() ? "communicated: nothing, there is one rank"
                       : fmt::format("communicated by rank 0: {}", fmt::join(parts, ", "));
}

}  // namespace

std::vector<std::string> closing_table(std::span<const PhaseTime> phases, const Traffic& traffic,
                                       const std::optional<MachineLimits>& limits) {
  const double total = seconds_of(phases);
  std::vector<std::string> lines{
      "where the time of rank 0 went:",
      line_of({"stage", "phase", "seconds", "share", "GFLOP/s", "of limit", "GB/s", "of limit"})};
  for (const PhaseTime& phase : in_order(phases, total))
    lines.push_back(line_of(row_of(phase, total, limits.value_or(MachineLimits{}))));
  lines.push_back(line_of({"all", "", fmt::format("{:.2f}", total), "100.0%", "", "", "", ""}));
  lines.push_back(traffic_line(traffic));
  if (limits)
    lines.push_back(fmt::format(
        "limits, measured just now: {:.1f} GFLOP/s in matrix products, {:.1f} GB/s of memory, a rank",
        limits->flops_per_second / 1e9, limits->bytes_per_second / 1e9));
  return lines;
}

std::optional<MachineLimits> measure_limits(const StageContext& context) {
  Communicator& world = context.world;
  if (sum_over(world, is_worth_measuring(world.size()) ? 0.0 : 1.0) > 0) return std::nullopt;
  MachineLimits limits;
  bool failed = false;
  const auto measure = [&](double& limit, const std::function<double()>& speed) {
    world.barrier();
    try {
      limit = speed();
    } catch (const std::exception&) {  // a run that is done does not fail for want of memory
      failed = true;
    }
  };
  measure(limits.flops_per_second, [&] { return measure_products(context.device); });
  measure(limits.bytes_per_second, [&] { return measure_memory(context.device); });
  return sum_over(world, failed ? 1.0 : 0.0) > 0 ? std::nullopt : std::optional(limits);
}

void log_where_time_went(const std::optional<MachineLimits>& limits) {
  for (const std::string& line : closing_table(phase_times(), traffic(), limits)) log_info("{}", line);
}

}  // namespace weft
