#include "weft/report/panels.hpp"

#include "weft/report/gnuplot.hpp"

#include "report/panel_files.hpp"

namespace weft {

std::vector<Panel> draw_panels(const std::filesystem::path& folder, const FigureData& data) {
  std::vector<PanelSource> sources;
  sources.push_back(activity_panel(folder, data));
  if (!data.connectivity.truth.empty()) sources.push_back(true_connectivity_panel(folder, data));
  sources.push_back(learned_connectivity_panel(folder, data));
  if (data.comparison) sources.push_back(comparison_panel(folder, *data.comparison));
  sources.push_back(latents_panel(folder, data));
  sources.push_back(phi_panel(folder, data));
  sources.push_back(psi_panel(folder, data));
  if (data.loss && has_positive_term(*data.loss)) sources.push_back(loss_panel(folder, *data.loss));
  if (data.solver && has_positive_residual(*data.solver))
    sources.push_back(solver_panel(folder, *data.solver));
  if (data.solver && takes_time(*data.solver)) sources.push_back(phases_panel(folder, *data.solver));

  std::vector<Panel> panels;
  for (const PanelSource& source : sources) {
    write_script(folder, source);
    run_gnuplot(folder, source.panel.file + ".gp");
    panels.push_back(source.panel);
  }
  return panels;
}

}  // namespace weft
