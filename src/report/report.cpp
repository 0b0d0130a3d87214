#include "weft/report/report.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.hpp"
#include "weft/core/version.hpp"
#include "weft/io/files.hpp"
#include "weft/report/html.hpp"
#include "weft/report/panels.hpp"

#include "report/metric_rows.hpp"

namespace weft {
namespace {

nlohmann::json read_metrics(const std::filesystem::path& file) {
  nlohmann::json metrics = nlohmann::json::parse(read_text(file), nullptr, false);
  if (!metrics.is_object())
    throw UserError(
        {file.string(), "not a JSON object", "metrics of an evaluation", "evaluate the run again"});
  return metrics;
}

FigureData read_figures(const std::filesystem::path& run_folder, const nlohmann::json& metrics) {
  FigureData data = read_evaluation(run_folder / "results" / "evaluation.h5");
  data.loss = read_loss_history(run_folder / "checkpoints");
  data.solver = solver_record(metrics);
  if (data.comparison) {
    data.comparison->r2 = find_number(metrics, "connectivity", "r2");
    data.comparison->slope = find_number(metrics, "connectivity", "slope");
  }
  data.scale.xnorm = find_number(metrics, "data", "xnorm").value_or(0);
  data.scale.plateau_variation = find_number(metrics, "gauge", "plateau_variation");
  return data;
}

/// The name that the config gives the run, or that of its folder.
std::string run_name(const std::filesystem::path& run_folder, const nlohmann::json& metrics) {
  if (metrics.contains("name") && metrics["name"].is_string()) return metrics["name"].get<std::string>();
  return std::filesystem::absolute(run_folder).lexically_normal().filename().string();
}

std::string subtitle(const FigureData& data) {
  const BuildInfo build = build_info();
  return fmt::format("{} neurons · Weft {}{}", data.latents.a.rows, build.version,
                     build.commit.empty() ? "" : fmt::format(" ({})", build.commit));
}

std::vector<ReportFigure> report_figures(const std::filesystem::path& results,
                                         const std::vector<Panel>& panels) {
  std::vector<ReportFigure> figures;
  for (const Panel& panel : panels) {
    const std::string letter = panel.letter();
    const bool wide = letter == "b" || letter == "i";
    figures.push_back({letter, panel.title, panel.caption, read_text(results / (panel.file + ".png")), wide});
  }
  return figures;
}

}  // namespace

void write_report(const std::filesystem::path& run_folder, const std::string& config_hash) {
  const std::filesystem::path results = run_folder / "results";
  const nlohmann::json metrics = read_metrics(results / "metrics.json");
  const std::string config = read_text(run_folder / "config.yaml");
  const FigureData data = read_figures(run_folder, metrics);
  const std::vector<Panel> panels = draw_panels(results, data);

  ReportPage page;
  page.title = run_name(run_folder, metrics);
  page.subtitle = subtitle(data);
  page.config_hash = config_hash;
  page.tiles = headline_tiles(metrics);
  page.figures = report_figures(results, panels);
  page.tables = metric_tables(metrics);
  page.config = config;
  write_text_atomically(results / "report.html", render_html(page));
}

}  // namespace weft
