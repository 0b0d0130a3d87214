#include "report/metric_rows.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/report/figure_data.hpp"

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
      {"checkpoints.saved", "checkpoints of the training under way that became valid, since it was started last"},
      {"checkpoints.failures", "those that could not be written"},
      {"checkpoints.longest_s", "the longest time from the copy of a state until its checkpoint was valid"},
      {"error_bars.mean", "mean standard error of the weights that are identifiable, in the units of Ŵ"},
      {"error_bars.coverage_95", "fraction of these whose true weight lies within 1.96 standard errors"},
      {"validation.frames", "frames held out of the training"},
      {"validation.r2", "1 − Σ(ŷ − y)² / Σ(y − mean y)² on these frames"},
      {"distilled.psi_rms_error", "the network fitted to ψ, relative to the root mean square of ψ"},
      {"distilled.phi_rms_error", "the network fitted to the φ of all neurons, relative to theirs"},
      {"solver.form", "plain, or differenced in time"},
      {"solver.precision", "of the Gram matrix and its factor"},
      {"solver.tf32", "whether products rounded their factors for tensor cores (training.tf32)"},
      {"solver.out_of_core", "whether activity stayed on the host, for want of room on the GPU"},
      {"solver.psi_iterations", "evaluations of ψ in the search for it"},
      {"solver.rejected_steps", "steps that made the residual larger and were tried again, shorter"},
      {"solver.psi_rows", "postsynaptic rows from which ψ was found"},
      {"solver.psi_frames", "frames from which ψ was found"},
      {"solver.psi_error", "standard error of ψ, offset and scale left out, over its deviation in the data"},
      {"solver.residual", "root mean square of what is left of y, all rows, relative to that of y"},
      {"solver.refinement_rounds", "times the rows were solved again for what was left"},
      {"solver.phi_shapes", "functions of which every φ is made, beside ψ and a constant"},
      {"solver.condition", "largest over smallest pivot of the Gram matrix: an estimate from below"},
      {"solver.smallest_pivot", "of the scaled Gram matrix"},
      {"solver.largest_pivot", "of the scaled Gram matrix"},
      {"solver.weak_directions",
       "pivots under 1e-4: combinations of neurons that the data hardly tell apart"},
      {"solver.excluded_columns", "presynaptic neurons left out, as they hardly vary"},
      {"solver.seconds", "of the training, reading and writing of files left out"},
      {"solver.gflops", "rate of its products, solves and factorisations"},
      {"solver.product_share", "their share of its seconds"},
      {"solver.machine_gflops", "matrix product of this machine in that precision, measured in the same run"},
      {"solver.product_rate", "gflops / machine_gflops"},
      {"identifiability.verdict", "good; limited: of use, with the warnings; none: not to be used"},
      {"identifiability.frames", "frames trained on"},
      {"identifiability.frames_needed", "one for each neuron and each spline of φ, and a margin"},
      {"identifiability.silent_neurons", "presynaptic neurons that hardly vary: their weights are 0 here"},
      {"identifiability.saturated_neurons", "presynaptic neurons whose weights are 1000 times less certain"},
      {"identifiability.weak_directions", "as solver.weak_directions"},
      {"identifiability.resolution", "share of the weights that the data determine: 1 is all of them"},
      {"identifiability.scale_error", "how uncertain the scale of W is, relative to itself"},
      {"identifiability.error_to_weight", "root mean square of the standard errors over that of W"},
      {"identifiability.residual_autocorrelation", "of what is left of y, from one frame to the next"},
      {"identifiability.white_noise_of_differences", "of y, as its differences from frame to frame show it"},
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

/// The leaves of a JSON value with their dotted names. Arrays are left out: they have tables of their own.
void append_rows(const std::string& name, const json& value, std::vector<ReportRow>& rows) {
  if (value.is_array()) return;
  if (!value.is_object()) {
    rows.push_back({name, value_text(name, value), definition(name)});
    return;
  }
  for (const auto& [key, part] : value.items())
    append_rows(name.empty() ? key : name + "." + key, part, rows);
}

ReportTable rows_of_groups(const char* heading, const json& metrics, std::span<const char* const> groups) {
  ReportTable table{heading, {}};
  for (const char* group : groups)
    if (metrics.contains(group)) append_rows(group, metrics[group], table.rows);
  return table;
}

/// "τ = 0.5 ± 2e-06"; empty where the quantity is unknown.
std::string quantity_text(const json& type, const char* symbol, const std::string& key) {
  if (!type.contains(key)) return "";
  std::string text = fmt::format("{} = {:.6g}", symbol, type[key].get<double>());
  if (type.contains(key + "_error")) text += fmt::format(" ± {:.2g}", type[key + "_error"].get<double>());
  return text;
}

std::string joined(std::vector<std::string> parts, const char* between) {
  std::erase(parts, "");
  return fmt::format("{}", fmt::join(parts, between));
}

std::string neurons_text(std::int64_t count) {
  return count == 1 ? "1 neuron" : fmt::format("{} neurons", count);
}

std::string type_note(const json& type) {
  std::string truth;
  if (type.contains("true_type")) {
    truth =
        fmt::format("true type {}: {}", type["true_type"].get<int>(),
                    joined({quantity_text(type, "τ", "true_tau"), quantity_text(type, "s", "true_s")}, ", "));
  }
  const std::string misfit =
      type.contains("misfit") ? fmt::format("the fit leaves {:.2g} of φ", type["misfit"].get<double>()) : "";
  return joined({neurons_text(type.value("neurons", 0)), truth, misfit}, "; ");
}

ReportTable types_table(const json& metrics) {
  ReportTable table{"Neuron types: φ as −x/τ + s ψ(x)", {}};
  const json types = metrics.value("types", json::array());
  for (const json& type : types)
    table.rows.push_back({fmt::format("cluster {}", type.value("cluster", 0)),
                          joined({quantity_text(type, "τ", "tau"), quantity_text(type, "s", "s")}, ", "),
                          type_note(type)});
  return table;
}

/// Of identifiability; empty where the method gives none.
std::string verdict_of(const json& metrics) {
  return metrics.value("identifiability", json::object()).value("verdict", "");
}

/// The lines of an array of texts, each with a row for itself.
void append_lines(const char* name, const json& group, const char* key, std::vector<ReportRow>& rows) {
  const json lines = group.value(key, json::array());
  for (const json& line : lines) rows.push_back({name, "", line.get<std::string>()});
}

ReportTable identifiability_table(const json& metrics) {
  ReportTable table = rows_of_groups("What the data hold", metrics, std::array{"identifiability"});
  if (!table.rows.empty()) append_lines("warning", metrics["identifiability"], "warnings", table.rows);
  return table;
}

ReportTable solver_table(const json& metrics) {
  ReportTable table = rows_of_groups("Solver", metrics, std::array{"solver"});
  if (!table.rows.empty()) append_lines("fallback", metrics["solver"], "fallbacks", table.rows);
  return table;
}

ReportTable phases_table(const json& metrics) {
  ReportTable table{"Solver, phase by phase", {}};
  const auto record = solver_record(metrics);
  if (!record) return table;
  for (const SolverRecord::Phase& phase : record->phases) {
    const bool works = phase.tflop > 0 && phase.seconds > 0;
    table.rows.push_back(
        {phase.name, fmt::format("{:.3g} s", phase.seconds),
         works ? fmt::format("{:.3g} TFLOP, {:.3g} GFLOP/s", phase.tflop, 1e3 * phase.tflop / phase.seconds)
               : ""});
  }
  return table;
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
  if (const std::string verdict = verdict_of(metrics); !verdict.empty() && verdict != "good") {
    const bool useless = verdict == "none";
    tiles.push_back(
        {"what the data hold", useless ? "no answer" : "a limited answer", "see the warnings below"});
  }
  return tiles;
}

std::vector<ReportTable> metric_tables(const json& metrics) {
  constexpr std::array found{"connectivity", "psi",       "phi",   "clusters", "error_bars",
                             "validation",   "distilled", "gauge", "data"};
  constexpr std::array elsewhere{"types", "identifiability", "solver"};
  constexpr std::array cost{"timing", "memory"};
  std::vector<ReportTable> tables{rows_of_groups("Metrics", metrics, found),
                                  types_table(metrics),
                                  identifiability_table(metrics),
                                  solver_table(metrics),
                                  phases_table(metrics),
                                  rows_of_groups("Time and memory", metrics, cost),
                                  {"Provenance", {}}};
  const auto is_in = [](const auto& groups, const std::string& group) {
    return std::ranges::find(groups, group) != groups.end();
  };
  for (const auto& [group, value] : metrics.items()) {
    if (is_in(found, group) || is_in(elsewhere, group) || is_in(cost, group)) continue;
    append_rows(group, value, tables.back().rows);
  }
  std::erase_if(tables, [](const ReportTable& table) { return table.rows.empty(); });
  return tables;
}

}  // namespace weft
