#include "report/metric_rows.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/number_text.hpp"

namespace weft {
namespace {

using nlohmann::json;

/// Short definitions; docs/metrics.md has the formulas.
std::string definition(const std::string& name) {
  static const std::map<std::string, std::string, std::less<>> definitions{
      {"connectivity.r2", "squared Pearson correlation of learned and true weights, all N² entries"},
      {"connectivity.slope", "slope of the least-squares line of learned over true weights"},
      {"connectivity.r2_strict", "1 − Σ(Ŵ − W)² / Σ(W − mean W)² off the diagonal, no line fitted"},
      {"connectivity.relative_error", "|Ŵ − W| / |W| off the diagonal, Frobenius norms"},
      {"psi.max_error", "largest |ψ* − tanh| over the observed range of x"},
      {"psi.rms_error", "root mean square of ψ* − tanh over the observed range of x"},
      {"phi.rms_error", "root mean square of learned minus true φ*, over neurons and x"},
      {"phi.relative_rms_error", "the same, divided by the root mean square of the true φ*"},
      {"clusters.count", "number of neuron types found in the functions φ*, chosen by silhouette"},
      {"clusters.accuracy", "fraction of neurons whose cluster is their true type, matched one to one"},
      {"clusters.silhouette", "mean silhouette of the clusters found, 1 at best"},
      {"clusters.latents.count", "the same, found in the latents aᵢ in place of the functions"},
      {"clusters.latents.accuracy", "accuracy of these"},
      {"clusters.latents.silhouette", "mean silhouette of these"},
      {"clusters.reference_count", "number of clusters in the latents by the published single-linkage rule"},
      {"clusters.reference_accuracy", "accuracy by the published rule"},
      {"data.neurons", "N"},
      {"data.frames", "T, over all trajectories"},
      {"data.xnorm", "1.5 standard deviations of x, rounded: functions are compared on ± this"},
      {"gauge.psi_plateau", "median of ψ as learned where it levels off"},
      {"gauge.psi_offset", "constant added to ψ so that φ(a, 0) is as small as can be"},
      {"gauge.psi_scale", "plateau of ψ with that constant; the strict metrics of W use it"},
      {"gauge.plateau_variation", "range of ψ where it should be level, relative to the plateau"},
      {"timing.simulate_s", "the whole stage, wall clock"},
      {"timing.simulate_step_ms", "its main loop, the writing of frames included, divided by its steps"},
      {"timing.train_s", "the whole stage, wall clock"},
      {"timing.train_step_ms", "its main loop divided by its gradient steps"},
      {"memory.peak_bytes_max_rank", "most physical memory that a rank has held: the maximum over ranks"},
      {"name", "of the run"},
  };
  const auto found = definitions.find(name);
  return found == definitions.end() ? "" : found->second;
}

/// Binary units, three digits.
std::string bytes_text(double bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < units.size(); ++unit) bytes /= 1024;
  return fmt::format("{:.3g} {}", bytes, units[unit]);
}

std::string value_text(const std::string& name, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number()) return value.dump();
  const double number = value.get<double>();
  if (name.find("bytes") != std::string::npos) return bytes_text(number);
  const std::string digits = value.is_number_float() ? fmt::format("{:.6g}", number) : value.dump();
  if (name.ends_with("_ms")) return digits + " ms";
  if (name.ends_with("_s")) return digits + " s";
  return digits;
}

/// The leaves of a JSON value with their dotted names; arrays stay whole.
void append_rows(const std::string& name, const json& value, std::vector<ReportRow>& rows) {
  if (!value.is_object()) {
    rows.push_back({name, value_text(name, value), definition(name)});
    return;
  }
  for (const auto& [key, part] : value.items())
    append_rows(name.empty() ? key : name + "." + key, part, rows);
}

}  // namespace

std::optional<double> find_number(const json& metrics, const std::string& group, const std::string& key) {
  if (!metrics.contains(group) || !metrics[group].contains(key) || !metrics[group][key].is_number())
    return std::nullopt;
  return metrics[group][key].get<double>();
}

std::vector<ReportRow> headline_tiles(const json& metrics) {
  std::vector<ReportRow> tiles;
  const auto add = [&](const char* name, const char* key, const char* note) {
    if (const auto value = find_number(metrics, "connectivity", key))
      tiles.push_back({name, fixed_text(*value, 4), note});
  };
  add("R²", "r2", "learned against true W, squared correlation");
  add("slope", "slope", "learned against true W, least squares");
  add("strict R²", "r2_strict", "the same without a fitted line");
  if (const auto count = find_number(metrics, "clusters", "count")) {
    const auto accuracy = find_number(metrics, "clusters", "accuracy");
    tiles.push_back({"neuron types found", fmt::format("{:.0f}", *count),
                     accuracy ? fmt::format("accuracy {:.4g}", *accuracy) : "clusters of the functions φ*"});
  }
  return tiles;
}

std::vector<ReportTable> metric_tables(const json& metrics) {
  std::vector<ReportTable> tables{{"Metrics", {}}, {"Time and memory", {}}, {"Provenance", {}}};
  constexpr std::array found{"connectivity", "psi", "phi", "clusters", "gauge", "data"};
  for (const char* group : found)
    if (metrics.contains(group)) append_rows(group, metrics[group], tables[0].rows);
  for (const auto& [group, value] : metrics.items()) {
    if (std::find(found.begin(), found.end(), group) != found.end()) continue;
    append_rows(group, value, tables[group == "timing" || group == "memory" ? 1 : 2].rows);
  }
  std::erase_if(tables, [](const ReportTable& table) { return table.rows.empty(); });
  return tables;
}

}  // namespace weft
