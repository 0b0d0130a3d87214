#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "report/number_text.hpp"
#include "report/panel_files.hpp"

namespace weft {
namespace {

constexpr std::string_view kComparisonDrawing = R"gp(
  set palette defined (0 '#c9ddf0', 0.35 '#6aaed6', 0.65 '#2171b5', 0.85 '#08306b', 1 '#1a0b33')
  set lmargin at screen 0.14
  set rmargin at screen 0.80
  set bmargin at screen 0.17
  set tmargin at screen 0.90
  set xlabel 'true weight'
  set ylabel 'learned weight'
  set xrange [first_edge:last_edge]
  set yrange [first_edge:last_edge]
  set logscale cb
  set cbrange [0.999:most_pairs]
  set format cb '10^{%T}'
  set cblabel 'pairs of neurons in a bin' offset 1
  set colorbox user origin screen 0.83, screen 0.17 size screen 0.025, screen 0.73
  set key outside bottom center horizontal
  # Beneath the data: where W is recovered well, all pairs lie on it.
  plot x with lines linewidth 1 dashtype (9, 6) linecolor rgb '#999999' title 'learned = true', \
       panel.'.dat' matrix using ($1 * bin + first_edge + bin / 2):($2 * bin + first_edge + bin / 2):($3 > 0 ? $3 : NaN) \
         with image notitle
)gp";

constexpr std::string_view kLatentsDrawing = R"gp(
  set lmargin at screen 0.15
  set xlabel 'a_1'
  # A label that gnuplot places moves out with the width of the tic labels.
  set label 3 'a_2' at screen 0.025, graph 0.5 center rotate by 90
  set autoscale fix
  set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
  set key outside bottom center horizontal
  set bmargin at screen 0.17
  plot for [g = 0:groups - 1] panel.'.dat' every thinning using ($3 == g ? $1 : NaN):2 with points pointtype 7 \
         pointsize point_size linecolor rgb faint(g) notitle, \
       for [i = 1:words(legend)] NaN with points pointtype 7 pointsize 1.3 linecolor rgb color(word(legend.' 0', i)) \
         title group_name.' '.word(legend, i)
)gp";

std::string result_words(const WeightComparison& comparison) {
  std::vector<std::string> words;
  if (comparison.r2) words.push_back("R² = " + fixed_text(*comparison.r2, 3));
  if (comparison.slope) words.push_back("slope = " + fixed_text(*comparison.slope, 3));
  return fmt::format("{}", fmt::join(words, ",  "));
}

std::string outside_words(const WeightComparison& comparison) {
  if (comparison.outside == 0) return "None lies";
  const double inside =
      std::accumulate(comparison.counts.values.begin(), comparison.counts.values.end(), 0.0);
  return fmt::format("{} of {:.0f} lie", comparison.outside,
                     inside + static_cast<double>(comparison.outside));
}

}  // namespace

PanelSource comparison_panel(const std::filesystem::path& folder, const WeightComparison& comparison) {
  const double first = comparison.edges.front();
  const double last = comparison.edges.back();
  PanelSource source;
  source.panel = {"panel_e_comparison", "Learned against true weights",
                  fmt::format("How often a learned weight met a true one, over all pairs of neurons, on a "
                              "logarithmic colour scale; "
                              "learned weights are scaled as in panel d. {} beyond the axes. R² is the "
                              "squared Pearson correlation, "
                              "slope that of the least-squares line of learned over true.",
                              outside_words(comparison))};
  source.note = result_words(comparison);
  write_data(folder / "panel_e_comparison.dat",
             fmt::format("pairs in each bin [learned, true]; {} even bins from {:.8g} to {:.8g} on both axes",
                         comparison.counts.rows, first, last),
             data_lines(comparison.counts));
  const double most = *std::max_element(comparison.counts.values.begin(), comparison.counts.values.end());
  source.settings = setting("first_edge", first) + setting("last_edge", last) +
                    setting("bin", (last - first) / static_cast<double>(comparison.counts.columns)) +
                    setting("most_pairs", std::max(most, 10.0));
  source.drawing = kComparisonDrawing;
  return source;
}

PanelSource latents_panel(const std::filesystem::path& folder, const FigureData& data) {
  const NeuronGroups groups(data.latents);
  const Table& a = data.latents.a;
  PanelSource source;
  source.panel = {"panel_f_latents", "Latent vectors of the neurons",
                  fmt::format("The learned aᵢ of all {} neurons, coloured by {}.", a.rows,
                              groups.name == "type" ? "true type" : "the cluster found")};

  Table rows{a.rows, 4, {}};
  for (std::int64_t neuron = 0; neuron < a.rows; ++neuron) {
    const auto at = static_cast<std::size_t>(neuron);
    rows.values.insert(rows.values.end(),
                       {a.at(neuron, 0), a.at(neuron, 1), static_cast<double>(groups.of[at]),
                        static_cast<double>(data.latents.cluster[at])});
  }
  write_data(folder / "panel_f_latents.dat",
             fmt::format("a_1, a_2, {}, cluster: a line for each neuron", groups.name), data_lines(rows));

  constexpr std::int64_t most_points = 20'000;
  source.settings = setting("groups", static_cast<double>(groups.count)) +
                    setting("group_name", groups.name) + setting("legend", groups.legend()) +
                    setting("thinning", static_cast<double>((a.rows + most_points - 1) / most_points)) +
                    setting("point_size", a.rows > 1000 ? 0.5 : 0.9);
  source.drawing = kLatentsDrawing;
  return source;
}

}  // namespace weft
