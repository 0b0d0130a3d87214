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

constexpr std::string_view kConnectivityDrawing = R"gp(
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
  set label 3 'postsynaptic neuron' at screen 0.02, graph 0.5 center rotate by 90
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

  unset label
  unset object
  set lmargin at screen 0.745
  set rmargin at screen 0.965
  set bmargin at screen 0.5641
  set tmargin at screen 0.847
  set title sprintf('neurons 0 to %d', inset - 1) offset 0, -0.4 textcolor rgb ink
  unset xlabel
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
  source.drawing = kConnectivityDrawing;
  return source;
}

bool is_sample(const FigureData& data) { return data.connectivity.learned.rows < data.latents.a.rows; }

std::string ordinal(std::int64_t number) {
  const std::int64_t tens = number % 100 / 10;
  const char* ending = "th";
  if (tens != 1 && number % 10 == 1) ending = "st";
  if (tens != 1 && number % 10 == 2) ending = "nd";
  if (tens != 1 && number % 10 == 3) ending = "rd";
  return fmt::format("{}{}", number, ending);
}

/// "every 20th neuron" where the sample is that even, else how many there are of how many.
std::string sample_words(const FigureData& data) {
  const std::vector<std::int64_t>& index = data.connectivity.index;
  const std::int64_t neurons = data.latents.a.rows;
  if (!is_sample(data)) return fmt::format("all {} neurons", neurons);
  const std::string evenly = fmt::format("{} of the {} neurons, evenly spaced", index.size(), neurons);
  if (index.size() < 2) return evenly;
  const std::int64_t stride = index[1] - index[0];
  for (std::size_t i = 1; i < index.size(); ++i)
    if (index[i] - index[i - 1] != stride) return evenly;
  return fmt::format("every {} neuron", ordinal(stride));
}

/// What a learned weight was multiplied with to be shown.
std::string weight_scale_words(const FigureData& data) {
  if (!data.scale.plateau_variation) return "as learned, for ψ* has no plateau that would set its scale";
  const bool gain_known = !data.connectivity.truth.empty();
  return fmt::format("in the published scale (as learned, times the plateau of ψ*{})",
                     gain_known ? ", divided by the gain of the postsynaptic neuron" : "");
}

}  // namespace

PanelSource true_connectivity_panel(const std::filesystem::path& folder, const FigureData& data) {
  const ConnectivitySample& sample = data.connectivity;
  PanelSource source =
      connectivity_source(folder, sample, "panel_c_connectivity_true", sample.truth, sample.inset_truth);
  source.settings += setting("weight_name", "true weight");
  if (is_sample(data)) source.note = sample_words(data);
  source.panel.title = "True connectivity W";
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
  source.settings += setting("weight_name", "learned weight");
  if (is_sample(data)) source.note = sample_words(data);
  source.panel.title = "Learned connectivity W";
  source.panel.caption = fmt::format(
      "The learned W of {}, {}, {}. Right: the first {} neurons.", sample_words(data),
      weight_scale_words(data),
      sample.truth.empty()
          ? "row postsynaptic, column presynaptic; the colours end at 1.1 times the 99th percentile of |W|"
          : "with the orientation and the colours of the true one",
      sample.inset_learned.rows);
  return source;
}

}  // namespace weft
