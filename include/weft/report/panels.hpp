#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "weft/report/figure_data.hpp"

namespace weft {

/// A picture `<file>.png` and `<file>.svg`, with `<file>.gp` that makes both from `<file>*.dat`.
struct Panel {
  std::string file;     ///< such as "panel_b_activity"
  std::string title;    ///< such as "Activity of sample neurons"
  std::string caption;  ///< what is seen and how it is defined

  /// "b" of "panel_b_activity".
  std::string letter() const { return file.substr(std::string_view("panel_").size(), 1); }
};

/// Draws panels b to h of Supplementary Figure 11 of Allier et al. 2026, and how the training went: the loss
/// as panel i, or the closed form's residuals and times as panels j and k, into `folder`, which must exist:
/// `cd <folder> && gnuplot <file>.gp` remakes a panel by hand. A panel that needs what is unknown is left
/// out. Returns the panels drawn, in the order of their letters. Local.
/// @throws UserError where gnuplot is missing or fails, or a file cannot be written.
std::vector<Panel> draw_panels(const std::filesystem::path& folder, const FigureData& data);

}  // namespace weft
