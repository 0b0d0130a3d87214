#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "report/panel_files.hpp"

namespace weft {
namespace {

constexpr std::string_view kSolverDrawing = R"gp(
  set rmargin at screen (has_damping ? 0.87 : 0.96)
  set xlabel 'evaluation of the search for ψ, then solutions of all rows'
  set ylabel 'relative residual'
  set xrange [0.5:evaluations + solutions + 0.5]
  set xtics 1, ceil((evaluations + solutions) / 15.0)
  set logscale y
  set format y '10^{%T}'
  set key outside bottom center horizontal
  set bmargin at screen 0.19
  if (has_damping) {
    set y2label 'damping'
    set y2tics
    set logscale y2
    set format y2 '10^{%T}'
  }
  if (solutions > 0) {
    set arrow 1 from evaluations + 0.5, graph 0 to evaluations + 0.5, graph 1 nohead dashtype (4, 4) linecolor rgb '#999999'
  }
  # gnuplot stops where an axis has no point at all, so that curves without any are not asked for.
  damping = "panel.'.dat' index 0 using 1:($3 > 0 ? $3 : NaN) axes x1y2 with linespoints linewidth 1 pointtype 6 ".\
            "pointsize 0.7 linecolor rgb color(4) title 'damping', "
  sampled = "panel.'.dat' index 0 using 1:2 with linespoints linewidth 2.5 pointtype 7 pointsize 1 ".\
            "linecolor rgb color(0) title 'sampled rows'"
  all_rows = ", panel.'.dat' index 1 using 1:2 with linespoints linewidth 2.5 pointtype 5 pointsize 1.2 ".\
             "linecolor rgb color(2) title 'all rows'"
  eval 'plot '.(has_damping ? damping : '').sampled.(solutions > 0 ? all_rows : '')
)gp";

constexpr std::string_view kPhasesDrawing = R"gp(
  set lmargin at screen 0.33
  set bmargin at screen 0.17
  set xlabel 'seconds'
  set xrange [0:1.6 * longest]
  set yrange [phases - 0.4:-0.6]
  set ytics noenhanced scale 0
  set grid noytics
  set key outside bottom center horizontal
  # A number that gnuplot reads as a colour.
  products = 0x0072B2
  others = 0xB0B0B0
  plot panel.'.dat' every ::::phases - 1 using 1:0:(0):1:($0 - 0.36):($0 + 0.36):($2 > 0 ? products : others):yticlabels(3) with boxxyerror \
         fillstyle solid 1 noborder linecolor rgb variable notitle, \
       panel.'.dat' every ::::phases - 1 using 1:0:4 with labels left offset 0.6, 0 noenhanced textcolor rgb ink notitle, \
       NaN with lines linewidth 8 linecolor rgb products title 'matrix work', \
       NaN with lines linewidth 8 linecolor rgb others title 'other work'
)gp";

/// The most bars that can be read.
constexpr std::size_t kMostPhases = 14;

/// One line for each evaluation of psi; behind two blank lines one for each solution of all rows.
std::string residual_lines(const SolverRecord& solver) {
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  std::size_t number = 0;
  for (std::size_t i = 0; i < solver.psi_residuals.size(); ++i)
    fmt::format_to(out, "{} {:.8g} {:.8g}\n", ++number, solver.psi_residuals[i], solver.psi_dampings[i]);
  fmt::format_to(out, "\n\n");
  for (const double residual : solver.row_residuals) fmt::format_to(out, "{} {:.8g}\n", ++number, residual);
  return fmt::to_string(text);
}

std::string phase_words(const SolverRecord::Phase& phase) {
  std::string words = fmt::format("{:.3g} s", phase.seconds);
  if (phase.tflop > 0 && phase.seconds > 0)
    words += fmt::format(", {:.3g} GFLOP/s", 1e3 * phase.tflop / phase.seconds);
  return words;
}

/// gnuplot has no way to write a quotation mark within a quoted word.
std::string quoted(std::string text) {
  std::ranges::replace(text, '"', '\'');
  return '"' + text + '"';
}

std::string phase_lines(const SolverRecord& solver) {
  fmt::memory_buffer text;
  for (const SolverRecord::Phase& phase : solver.phases)
    fmt::format_to(std::back_inserter(text), "{:.8g} {:.8g} {} {}\n", phase.seconds, phase.tflop,
                   quoted(phase.name), quoted(phase_words(phase)));
  return fmt::to_string(text);
}

bool is_positive(double value) { return value > 0; }

}  // namespace

bool has_positive_residual(const SolverRecord& solver) {
  return std::ranges::any_of(solver.psi_residuals, is_positive);
}

PanelSource solver_panel(const std::filesystem::path& folder, const SolverRecord& solver) {
  PanelSource source;
  source.panel = {
      "panel_j_solver", "Residuals of the closed form",
      "What is left of y, as a fraction of its root mean square: of the sampled rows after each evaluation "
      "of "
      "the search for ψ, a rejected step among them, with the damping of that step; then of all rows, "
      "after their solution and after each refinement."};
  write_data(
      folder / "panel_j_solver.dat",
      "evaluation of psi, relative residual of the sampled rows, damping; then solution, relative residual "
      "of all rows",
      residual_lines(solver));
  const bool has_damping = std::ranges::any_of(solver.psi_dampings, is_positive);
  const bool has_rows = std::ranges::any_of(solver.row_residuals, is_positive);
  source.settings = setting("evaluations", static_cast<double>(solver.psi_residuals.size())) +
                    setting("solutions", has_rows ? static_cast<double>(solver.row_residuals.size()) : 0) +
                    setting("has_damping", has_damping ? 1 : 0);
  source.drawing = kSolverDrawing;
  return source;
}

bool takes_time(const SolverRecord& solver) {
  return !solver.phases.empty() && solver.phases.front().seconds > 0;
}

PanelSource phases_panel(const std::filesystem::path& folder, const SolverRecord& solver) {
  PanelSource source;
  source.panel = {
      "panel_k_phases", "Where the closed form spends its time",
      fmt::format(
          "Seconds of the {}phases of the training, and the rate of floating-point operations where "
          "they are matrix work: products, triangular solves, factorisations.",
          solver.phases.size() > kMostPhases ? fmt::format("{} longest ", kMostPhases) : std::string())};
  write_data(folder / "panel_k_phases.dat", "seconds, tflop, phase, as words", phase_lines(solver));
  source.settings = setting("phases", static_cast<double>(std::min(solver.phases.size(), kMostPhases))) +
                    setting("longest", solver.phases.front().seconds);
  source.drawing = kPhasesDrawing;
  return source;
}

}  // namespace weft
