#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "report/panel_files.hpp"

namespace weft {
namespace {

/// The largest range of one sample neuron.
double largest_range(const Table& activity) {
  double largest = 0;
  for (std::int64_t column = 0; column < activity.columns; ++column) {
    double low = activity.at(0, column);
    double high = low;
    for (std::int64_t row = 1; row < activity.rows; ++row) {
      low = std::min(low, activity.at(row, column));
      high = std::max(high, activity.at(row, column));
    }
    largest = std::max(largest, high - low);
  }
  return largest;
}

/// 1, 2 or 5 times a power of ten, at most `value`.
double round_down(double value) {
  if (value <= 0) return 1;
  const double power = std::pow(10, std::floor(std::log10(value)));
  const double digit = value / power;
  return power * (digit >= 5 ? 5 : digit >= 2 ? 2 : 1);
}

std::vector<std::int64_t> groups_of(const std::vector<std::int64_t>& neurons, const NeuronGroups& groups) {
  std::vector<std::int64_t> found;
  for (const std::int64_t neuron : neurons) found.push_back(groups.of.at(static_cast<std::size_t>(neuron)));
  return found;
}

/// One curve a block, with blank lines between curves, two between groups; a comment names the neuron.
std::string curves_by_group(const NeuronFunctions& phi, const NeuronGroups& groups) {
  fmt::memory_buffer text;
  const std::vector<std::int64_t> group_of = groups_of(phi.neuron, groups);
  for (std::int64_t group = 0; group < groups.count; ++group) {
    fmt::format_to(std::back_inserter(text), "# {} {}\n", groups.name, group);
    bool any = false;
    for (std::size_t curve = 0; curve < group_of.size(); ++curve) {
      if (group_of[curve] != group) continue;
      fmt::format_to(std::back_inserter(text), "# neuron {}\n", phi.neuron[curve]);
      for (std::size_t point = 0; point < phi.x.size(); ++point)
        fmt::format_to(std::back_inserter(text), "{:.8g} {:.8g}\n", phi.x[point],
                       phi.learned.at(static_cast<std::int64_t>(curve), static_cast<std::int64_t>(point)));
      fmt::format_to(std::back_inserter(text), "\n");
      any = true;
    }
    // gnuplot counts groups by pairs of blank lines: one that has no curve keeps its place with a missing
    // point.
    fmt::format_to(std::back_inserter(text), "{}", any ? "\n" : "NaN NaN\n\n\n");
  }
  return fmt::to_string(text);
}

std::string truth_columns(const NeuronFunctions& phi) {
  std::vector<std::vector<double>> columns{phi.x};
  for (std::int64_t type = 0; type < phi.truth.rows; ++type) {
    const auto first = phi.truth.values.begin() + type * phi.truth.columns;
    columns.emplace_back(first, first + phi.truth.columns);
  }
  return data_lines(columns);
}

std::vector<std::vector<double>> psi_columns(const SharedFunction& psi) {
  std::vector<std::vector<double>> columns{psi.x};
  for (std::int64_t group = 0; group < psi.learned.rows; ++group) {
    const auto first = psi.learned.values.begin() + group * psi.learned.columns;
    columns.emplace_back(first, first + psi.learned.columns);
  }
  if (!psi.truth.empty()) columns.push_back(psi.truth);
  return columns;
}

/// The ends of the x axis. Where a truth can be seen: the published range, as far as x goes; else all of x.
struct DrawnRange {
  double first, last;

  DrawnRange(const std::vector<double>& x, bool has_truth) : first(x.front()), last(x.back()) {
    constexpr double published = 5;
    if (!has_truth || first >= 0 || last <= 0) return;
    first = std::max(first, -published);
    last = std::min(last, published);
  }
  std::string settings() const { return setting("first_x", first) + setting("last_x", last); }
  /// "Drawn for x from -5 to 5; the data file holds -16 to 16, <what that is>."
  std::string words(const std::vector<double>& x, std::string_view what) const {
    if (first == x.front() && last == x.back())
      return fmt::format("Drawn for x from {:.3g} to {:.3g}, {}.", first, last, what);
    return fmt::format("Drawn for x from {:.3g} to {:.3g}; the data file holds {:.3g} to {:.3g}, {}.", first,
                       last, x.front(), x.back(), what);
  }
};

/// Above this psi has hardly levelled off: docs/metrics.md, gauge.plateau_variation.
constexpr double kLevelEnough = 0.1;

std::string plateau_note(const ScaleFacts& scale) {
  if (!scale.plateau_variation) return "no plateau: as learned";
  if (*scale.plateau_variation <= kLevelEnough) return "";
  return fmt::format("plateau not level: varies by {:.0f} %", 100 * *scale.plateau_variation);
}

/// How psi was scaled, and what that is worth.
std::string scale_words(const ScaleFacts& scale) {
  if (!scale.plateau_variation) return "as learned: it has no plateau that would set its scale";
  std::string words = fmt::format(
      "shifted by gauge.psi_offset and divided by its median over the outer fifth of the window, x from "
      "{:.3g} to {:.3g}",
      0.8 * scale.xnorm, scale.xnorm);
  if (*scale.plateau_variation > kLevelEnough)
    words += fmt::format(
        "; there it still varies by {:.0f} % of that median, so that the scale is a convention more than a "
        "finding",
        100 * *scale.plateau_variation);
  return words;
}

constexpr std::string_view kActivityDrawing = R"gp(
  set rmargin at screen 0.86
  set key outside bottom center horizontal
  set bmargin at screen 0.17
  set xlabel 'time (time units)'
  set ylabel 'neuron'
  set lmargin at screen 0.13
  set xrange [first_time:last_time > first_time ? last_time : first_time + 1]
  set yrange [-0.75 * spacing : (traces - 0.25) * spacing]
  set ytics scale 0 ('' 0)
  do for [i = 1:traces] { set ytics add (word(neurons, i) spacing * (traces - i)) }
  set arrow 1 from graph 1.03, first 0 to graph 1.03, first scale_bar nohead linewidth 3 linecolor rgb ink
  set label 3 sprintf('Δx = %g', scale_bar) at graph 1.045, first 0.5 * scale_bar left textcolor rgb ink
  plot for [i = 1:traces] panel.'.dat' using 1:(column(i + 1) - real(word(means, i)) + spacing * (traces - i)) \
         with lines linewidth 1.2 linecolor rgb color(word(groups, i)) notitle, \
       for [i = 1:words(legend)] NaN with lines linewidth 4 linecolor rgb color(word(legend.' 0', i)) \
         title group_name.' '.word(legend, i)
)gp";

constexpr std::string_view kPhiDrawing = R"gp(
  set xlabel 'activity x'
  set ylabel 'φ*(a_{i}, x)  (1 / time unit)'
  set xrange [first_x:last_x]
  set key top right
  plot for [g = 0:groups - 1] panel.'.dat' index g every thinning using 1:2 with lines linewidth 0.5 \
         linecolor rgb color(g) notitle, \
       for [t = 1:true_types] panel.'_true.dat' using 1:(column(t + 1)) with lines linewidth 2 dashtype (9, 6) \
         linecolor rgb 'black' notitle, \
       for [i = 1:words(legend)] NaN with lines linewidth 4 linecolor rgb color(word(legend.' 0', i)) \
         title 'learned, '.group_name.' '.word(legend, i), \
       for [t = 1:true_types > 0] NaN with lines linewidth 2 dashtype (9, 6) linecolor rgb 'black' title 'true'
)gp";

constexpr std::string_view kPsiDrawing = R"gp(
  set xlabel 'activity x'
  set ylabel 'ψ*(x)'
  set xrange [first_x:last_x]
  set yrange [* < -1.15:1.15 < *] noextend
  set key bottom right
  plot for [g = 0:groups - 1] panel.'.dat' using 1:(column(g + 2)) with lines linewidth (groups > 1 ? 3 : 5) \
         linecolor rgb color(groups > 1 ? g : 5) title (groups > 1 ? 'learned, group '.g : 'learned'), \
       for [t = 1:has_truth] panel.'.dat' using 1:(column(groups + 2)) with lines linewidth 2 dashtype (9, 6) linecolor rgb 'black' \
         title 'true: tanh x'
)gp";

constexpr std::string_view kLossDrawing = R"gp(
  set xlabel step_label
  set ylabel 'loss / N'
  set logscale y
  set yrange [1e-6 * highest < *:*]
  set format y '10^{%T}'
  set mytics 10
  set key outside bottom center horizontal
  set bmargin at screen 0.17
  plot for [i = 1:words(columns)] panel.'.dat' every thinning using ($1 / step_unit):(column(int(word(columns, i)))) \
       with lines linewidth (i == 1 ? 3 : 1.2) linecolor rgb color(i == 1 ? 5 : i - 1) title word(titles, i)
)gp";

/// The loss terms that have a place on a logarithmic axis, with their columns in the data file, counted
/// from 1.
struct LossTerms {
  std::vector<std::int64_t> columns;
  std::string titles;
};

LossTerms positive_terms(const LossCurve& loss) {
  const std::array terms{std::pair{&loss.total, "total"}, std::pair{&loss.data, "data"},
                         std::pair{&loss.phi_zero, "\"φ(a, 0) = 0\""},
                         std::pair{&loss.psi_monotone, "\"ψ monotone\""}};
  LossTerms found;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::vector<double>& values = *terms[i].first;
    if (std::none_of(values.begin(), values.end(), [](double value) { return value > 0; })) continue;
    found.columns.push_back(static_cast<std::int64_t>(i) + 2);
    found.titles += fmt::format("{}{}", found.titles.empty() ? "" : " ", terms[i].second);
  }
  return found;
}

/// Draw each so-many-th point only, so that a picture holds `most` points at most.
std::string thinning_setting(std::size_t points, std::size_t most) {
  return setting("thinning", static_cast<double>((points + most - 1) / most));
}

}  // namespace

PanelSource activity_panel(const std::filesystem::path& folder, const FigureData& data) {
  const SampleSeries& series = data.series;
  const NeuronGroups groups(data.latents);
  PanelSource source;
  source.panel = {
      "panel_b_activity", "Activity of sample neurons",
      fmt::format(
          "Recorded activity x(t) of {} neurons, one trace each, shifted apart and coloured by {}. The "
          "bar at the right gives the scale, in units of x.",
          series.neuron.size(), groups.name)};

  std::vector<std::vector<double>> columns{series.time};
  std::string means;
  for (std::int64_t neuron = 0; neuron < series.activity.columns; ++neuron) {
    std::vector<double> trace;
    double sum = 0;
    for (std::int64_t frame = 0; frame < series.activity.rows; ++frame) {
      trace.push_back(series.activity.at(frame, neuron));
      sum += trace.back();
    }
    means += fmt::format("{:.8g} ", sum / static_cast<double>(trace.size()));
    columns.push_back(std::move(trace));
  }
  write_data(folder / "panel_b_activity.dat",
             fmt::format("time [time units], then the activity of neurons {}", fmt::join(series.neuron, " ")),
             data_lines(columns));

  const std::vector<std::int64_t> group_of = groups_of(series.neuron, groups);
  std::vector<std::int64_t> legend = group_of;
  std::sort(legend.begin(), legend.end());
  legend.erase(std::unique(legend.begin(), legend.end()), legend.end());
  const double spacing = std::max(0.7 * largest_range(series.activity), 1e-12);
  source.settings =
      setting("traces", static_cast<double>(series.neuron.size())) + setting("neurons", series.neuron) +
      setting("means", means) + setting("groups", group_of) + setting("group_name", groups.name) +
      setting("legend", legend) + setting("spacing", spacing) + setting("scale_bar", round_down(spacing)) +
      setting("first_time", series.time.front()) + setting("last_time", series.time.back());
  source.drawing = kActivityDrawing;
  return source;
}

PanelSource phi_panel(const std::filesystem::path& folder, const FigureData& data) {
  const NeuronFunctions& phi = data.phi;
  const NeuronGroups groups(data.latents);
  const DrawnRange range(phi.x, !phi.truth.empty());
  PanelSource source;
  source.panel = {
      "panel_g_phi", "Functions φ* of the neurons",
      fmt::format(
          "What drives a neuron by itself: learned φ*(aᵢ, x) of {} neurons, one thin line each, coloured "
          "by {}{}. {}",
          phi.neuron.size(), groups.name,
          phi.truth.empty() ? "" : "; dashed: the true −x/τ + s tanh x of each type",
          range.words(phi.x, "± 1.5 standard deviations of the activity, rounded"))};
  write_data(folder / "panel_g_phi.dat",
             fmt::format("x, learned phi*(a_i, x): a block for each neuron, sorted by {}", groups.name),
             curves_by_group(phi, groups));
  if (!phi.truth.empty())
    write_data(folder / "panel_g_phi_true.dat", "x, then the true phi*(x) of types 0, 1, ...",
               truth_columns(phi));

  source.settings = setting("groups", static_cast<double>(groups.count)) +
                    setting("group_name", groups.name) + setting("legend", groups.legend()) +
                    setting("true_types", static_cast<double>(phi.truth.rows)) + range.settings() +
                    thinning_setting(phi.learned.values.size(), 120'000);
  source.drawing = kPhiDrawing;
  return source;
}

PanelSource psi_panel(const std::filesystem::path& folder, const FigureData& data) {
  const SharedFunction& psi = data.psi;
  const bool has_truth = !psi.truth.empty();
  const DrawnRange range(psi.x, has_truth);
  PanelSource source;
  source.panel = {"panel_h_psi", "Function ψ* that neurons send",
                  fmt::format("Learned ψ*(x){}, {}{}. {}",
                              psi.learned.rows > 1 ? " of each group of presynaptic neurons" : "",
                              scale_words(data.scale), has_truth ? ". Dashed: the true tanh x" : "",
                              range.words(psi.x, "the observed range"))};
  source.note = plateau_note(data.scale);
  write_data(folder / "panel_h_psi.dat",
             fmt::format("x, learned psi*{}{}", psi.learned.rows > 1 ? " of each group" : "",
                         has_truth ? ", true psi*" : ""),
             data_lines(psi_columns(psi)));
  source.settings = setting("groups", static_cast<double>(psi.learned.rows)) +
                    setting("has_truth", has_truth ? 1 : 0) + range.settings();
  source.drawing = kPsiDrawing;
  return source;
}

bool has_positive_term(const LossCurve& loss) { return !positive_terms(loss).columns.empty(); }

PanelSource loss_panel(const std::filesystem::path& folder, const LossCurve& loss) {
  PanelSource source;
  source.panel = {"panel_i_loss", "Training loss",
                  "The loss divided by the number of neurons N, and the terms it is made of: data, the "
                  "un-squared norm of the "
                  "prediction error, and the penalties that keep φ(a, 0) at 0 and ψ monotone. A point is the "
                  "mean over the "
                  "gradient steps since the point before."};
  write_data(folder / "panel_i_loss.dat", "step, total, data, phi_zero, psi_monotone",
             data_lines(std::array{loss.step, loss.total, loss.data, loss.phi_zero, loss.psi_monotone}));
  const LossTerms terms = positive_terms(loss);
  const bool thousands = loss.step.back() > 20'000;
  source.settings = setting("columns", terms.columns) + setting("titles", terms.titles) +
                    setting("highest", *std::max_element(loss.total.begin(), loss.total.end())) +
                    setting("step_unit", thousands ? 1000 : 1) +
                    setting("step_label", thousands ? "gradient step (thousands)" : "gradient step") +
                    thinning_setting(loss.step.size(), 2'000);
  source.drawing = kLossDrawing;
  return source;
}

}  // namespace weft
