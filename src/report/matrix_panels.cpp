#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/panel_files.hpp"

namespace weft {
namespace {

/// 1.1 times the 99th percentile of |w|, as in the published figure; 1 for a W of zeros.
double colour_limit(const Table& w) {
  std::vector<double> sizes;
  sizes.reserve(w.values.size());
  for (const double value : w.values) sizes.push_back(std::abs(value));
  const auto percentile =
      sizes.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(sizes.size() - 1));
  std::nth_element(sizes.begin(), percentile, sizes.end());
  return *percentile > 0 ? 1.1 * *percentile : 1;
}

/// The true and the learned W are drawn with the limit of the true one, so that equal colours are equal
/// weights.
double shared_colour_limit(const ConnectivitySample& sample) {
  return colour_limit(sample.truth.empty() ? sample.learned : sample.truth);
}

/// Five places along an axis, with the neurons that are there.
std::string tick_settings(const std::vector<std::int64_t>& index) {
  const auto last = static_cast<std::int64_t>(index.size()) - 1;
  std::vector<std::int64_t> places;
  for (std::int64_t quarter = 0; quarter < 4; ++quarter) places.push_back((last + 1) * quarter / 4);
  places.push_back(last);
  std::vector<std::int64_t> neurons;
  for (const std::int64_t place : places) neurons.push_back(index[static_cast<std::size_t>(place)]);
  return setting("tick_places", places) + setting("tick_neurons", neurons);
}

/// How many rows of the sample the inset repeats: all of its own where the sample holds each of them, else
/// none.
std::int64_t inset_overlap(const ConnectivitySample& sample) {
  const std::int64_t rows = sample.inset_learned.rows;
  const bool consecutive = rows > 0 && static_cast<std::int64_t>(sample.index.size()) > rows &&
                           sample.index[0] == 0 &&
                           sample.index[static_cast<std::size_t>(rows - 1)] == rows - 1;
  return consecutive ? rows : 0;
}

constexpr std::string_view connectivity_drawing = R"gp(
  set multiplot
  set palette defined (-1 '#053061', -0.6 '#2f79b5', -0.25 '#a7cfe4', 0 '#ffffff', 0.25 '#f8bfa4', 0.6 '#c13639', 1 '#67001f')
  set cbrange [-limit:limit]
  unset colorbox
  unset grid
  set border 15
  set lmargin at screen 0.115
  set rmargin at screen 0.665
  set bmargin at screen 0.14
  set tmargin at screen 0.847
  set xlabel 'presynaptic neuron'
  set ylabel 'postsynaptic neuron'
  set xrange [-0.5:shown - 0.5]
  set yrange [shown - 0.5:-0.5]
  set xtics ('' 0)
  set ytics ('' 0)
  do for [i = 1:words(tick_places)] {
    set xtics add (word(tick_neurons, i) real(word(tick_places, i)))
    set ytics add (word(tick_neurons, i) real(word(tick_places, i)))
  }
  if (inset_overlap > 0) {
    set object 1 rectangle from -0.5, -0.5 to inset_overlap - 0.5, inset_overlap - 0.5 front \
        fillstyle empty border linecolor rgb ink linewidth 1.2
  }
  plot panel.'.dat' matrix with image notitle

  unset label 1
  unset object
  set lmargin at screen 0.745
  set rmargin at screen 0.965
  set bmargin at screen 0.5641
  set tmargin at screen 0.847
  set title sprintf('neurons 0 to %d', inset - 1) offset 0, -0.4 textcolor rgb ink
  unset xlabel
  unset ylabel
  set xrange [-0.5:inset - 0.5]
  set yrange [inset - 0.5:-0.5]
  set xtics ('0' 0, sprintf('%d', inset - 1) inset - 1)
  set ytics ('0' 0, sprintf('%d', inset - 1) inset - 1)
  set colorbox user horizontal origin screen 0.745, screen 0.36 size screen 0.22, screen 0.03
  set cbtics (sprintf('%.2g', -limit) -limit, '0' 0, sprintf('%.2g', limit) limit) scale 0.4
  set cblabel weight_name
  plot panel.'_inset.dat' matrix with image pixels notitle
  unset multiplot
  unset title
)gp";

/// What the panels of the true and of the learned W have in common.
PanelSource connectivity_source(const std::filesystem::path& folder, const ConnectivitySample& sample,
                                const std::string& file, const Table& w, const Table& inset) {
  write_data(folder / (file + ".dat"),
             fmt::format("W [postsynaptic, presynaptic] of neurons {}", fmt::join(sample.index, " ")),
             data_lines(w));
  write_data(folder / (file + "_inset.dat"),
             fmt::format("W [postsynaptic, presynaptic] of neurons 0 to {}", inset.rows - 1),
             data_lines(inset));
  PanelSource source;
  source.panel.file = file;
  source.settings =
      setting("limit", shared_colour_limit(sample)) + setting("shown", static_cast<double>(w.rows)) +
      setting("inset", static_cast<double>(inset.rows)) +
      setting("inset_overlap", static_cast<double>(inset_overlap(sample))) + tick_settings(sample.index);
  source.drawing = connectivity_drawing;
  return source;
}

std::string sample_words(const FigureData& data) {
  const std::int64_t shown = data.connectivity.learned.rows;
  const std::int64_t neurons = data.latents.a.rows;
  return shown == neurons ? fmt::format("all {} neurons", neurons)
                          : fmt::format("{} of the {} neurons", shown, neurons);
}

}  // namespace

PanelSource true_connectivity_panel(const std::filesystem::path& folder, const FigureData& data) {
  const ConnectivitySample& sample = data.connectivity;
  PanelSource source =
      connectivity_source(folder, sample, "panel_c_connectivity_true", sample.truth, sample.inset_truth);
  source.heading = "c   True connectivity W";
  source.settings += setting("weight_name", "true weight");
  source.panel.title = "True connectivity";
  source.panel.caption = fmt::format(
      "The true W of {}: a row is a postsynaptic neuron, a column a presynaptic one. The colours end at 1.1 "
      "times the 99th percentile of |W|. Right: the first {} neurons.",
      sample_words(data), sample.inset_truth.rows);
  return source;
}

PanelSource learned_connectivity_panel(const std::filesystem::path& folder, const FigureData& data) {
  const ConnectivitySample& sample = data.connectivity;
  PanelSource source = connectivity_source(folder, sample, "panel_d_connectivity_learned", sample.learned,
                                           sample.inset_learned);
  source.heading = "d   Learned connectivity W";
  source.settings += setting("weight_name", "learned weight");
  source.panel.title = "Learned connectivity";
  source.panel.caption = fmt::format(
      "The learned W of {}, {}. Right: the first {} neurons.", sample_words(data),
      sample.truth.empty()
          ? "row postsynaptic, column presynaptic; the colours end at 1.1 times the 99th percentile of |W|"
          : "with the orientation and the colours of the true one",
      sample.inset_learned.rows);
  return source;
}

}  // namespace weft
