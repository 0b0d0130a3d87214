#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/report/figure_data.hpp"
#include "weft/report/panels.hpp"

namespace weft {

/// A panel before it is drawn. A gnuplot script is made of `settings`, lines `name = value` that follow from
/// the data, the house style, and `drawing`, which is the same for all data.
struct PanelSource {
  Panel panel;
  std::string settings;
  std::string note;  ///< at the end of the heading's line; may be empty
  std::string_view drawing;
};

/// Writes the script of a panel beside its data. Local.
void write_script(const std::filesystem::path& folder, const PanelSource& source);

/// A line that sets a gnuplot variable to a number, a text, or a text of words.
std::string setting(std::string_view name, double value);
std::string setting(std::string_view name, std::string_view text);
std::string setting(std::string_view name, std::span<const std::int64_t> words);

/// A data file: `# header`, then one line for each row.
std::string data_lines(const Table& table);
std::string data_lines(std::span<const std::vector<double>> columns);
void write_data(const std::filesystem::path& file, std::string_view header, std::string_view lines);

/// The groups that colour neurons: their true types, or the clusters found where the truth is unknown.
struct NeuronGroups {
  std::string name;              ///< "type" or "cluster"
  std::vector<std::int64_t> of;  ///< (N)
  std::int64_t count = 0;

  explicit NeuronGroups(const Latents& latents);
  /// The groups that a legend names: all, or none where they are too many to read.
  std::vector<std::int64_t> legend() const;
};

/// Each of these writes the data files of a panel and says how it is to be drawn.
PanelSource activity_panel(const std::filesystem::path& folder, const FigureData& data);
PanelSource true_connectivity_panel(const std::filesystem::path& folder, const FigureData& data);
PanelSource learned_connectivity_panel(const std::filesystem::path& folder, const FigureData& data);
PanelSource comparison_panel(const std::filesystem::path& folder, const WeightComparison& comparison);
PanelSource latents_panel(const std::filesystem::path& folder, const FigureData& data);
PanelSource phi_panel(const std::filesystem::path& folder, const FigureData& data);
PanelSource psi_panel(const std::filesystem::path& folder, const FigureData& data);
/// A loss of zero throughout has no place on the panel's logarithmic axis.
bool has_positive_term(const LossCurve& loss);
PanelSource loss_panel(const std::filesystem::path& folder, const LossCurve& loss);
/// As has_positive_term, of the residuals.
bool has_positive_residual(const SolverRecord& solver);
PanelSource solver_panel(const std::filesystem::path& folder, const SolverRecord& solver);
/// Whether there is a phase to draw: the first, which is the longest, took time.
bool takes_time(const SolverRecord& solver);
PanelSource phases_panel(const std::filesystem::path& folder, const SolverRecord& solver);

}  // namespace weft
