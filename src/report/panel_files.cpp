#include "report/panel_files.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include "weft/io/files.hpp"

namespace weft {
namespace {

/// Colours of Okabe & Ito (2008) and two of Tol's, told apart by colour-blind readers; they repeat after
/// eight.
constexpr std::string_view kHouseStyle = R"gp(
palette_words = '0072B2 D55E00 009E73 CC79A7 E69F00 56B4E9 882255 8C8C00'
color(group) = '#'.word(palette_words, int(group) % 8 + 1)
faint(group) = '#60'.word(palette_words, int(group) % 8 + 1)
ink = '#222222'
set encoding utf8
set border 3 linecolor rgb '#555555' linewidth 1
set tics nomirror out scale 0.6 textcolor rgb ink
set grid linetype 1 linecolor rgb '#e4e4e4' linewidth 0.7
set key noenhanced reverse Left textcolor rgb ink samplen 1.6 spacing 1.15
set lmargin at screen 0.12
set rmargin at screen 0.96
set bmargin at screen 0.13
set tmargin at screen 0.91

do for [format in 'png svg'] {
  if (format eq 'png') {
    set terminal pngcairo size 900, 700 enhanced font 'DejaVu Sans,14' background rgb 'white'
    heading_font = 'DejaVu Sans Bold,17'
  } else {
    # Here a font's size is in pixels, there in points.
    set terminal svg size 900, 700 enhanced font 'DejaVu Sans,16' background rgb 'white'
    heading_font = 'DejaVu Sans Bold,20'
  }
  set label 1 heading at screen 0.025, screen 0.965 left font heading_font textcolor rgb ink
  set label 2 note at screen 0.975, screen 0.965 right noenhanced textcolor rgb ink
  set output panel.'.'.format
)gp";

constexpr std::string_view kClosing = R"gp(
  unset output
}
)gp";

}  // namespace

void write_script(const std::filesystem::path& folder, const PanelSource& source) {
  const std::string& name = source.panel.file;
  const std::string text = fmt::format(
      "# Makes {0}.png and {0}.svg: gnuplot {0}.gp\n{1}{2}{3}{4}{5}{6}", name, setting("panel", name),
      setting("heading", source.panel.letter() + "   " + source.panel.title) + setting("note", source.note),
      source.settings, kHouseStyle, source.drawing.substr(1), kClosing.substr(1));
  write_text_atomically(folder / (name + ".gp"), text);
}

std::string setting(std::string_view name, double value) { return fmt::format("{} = {:.8g}\n", name, value); }

std::string setting(std::string_view name, std::string_view text) {
  return fmt::format("{} = '{}'\n", name, text);
}

std::string setting(std::string_view name, std::span<const std::int64_t> words) {
  return fmt::format("{} = '{}'\n", name, fmt::join(words, " "));
}

std::string data_lines(const Table& table) {
  fmt::memory_buffer text;
  for (std::int64_t row = 0; row < table.rows; ++row)
    for (std::int64_t column = 0; column < table.columns; ++column)
      fmt::format_to(std::back_inserter(text), "{:.8g}{}", table.at(row, column),
                     column + 1 < table.columns ? ' ' : '\n');
  return fmt::to_string(text);
}

std::string data_lines(std::span<const std::vector<double>> columns) {
  const std::size_t width = columns.size();
  const std::size_t length = columns.front().size();
  Table table{static_cast<std::int64_t>(length), static_cast<std::int64_t>(width), {}};
  table.values.resize(length * width);
  for (std::size_t row = 0; row < length; ++row)
    for (std::size_t column = 0; column < width; ++column)
      table.values[row * width + column] = columns[column][row];
  return data_lines(table);
}

void write_data(const std::filesystem::path& file, std::string_view header, std::string_view lines) {
  write_text_atomically(file, fmt::format("# {}\n{}", header, lines));
}

NeuronGroups::NeuronGroups(const Latents& latents)
    : name(latents.type.empty() ? "cluster" : "type"),
      of(latents.type.empty() ? latents.cluster : latents.type) {
  if (!of.empty()) count = *std::max_element(of.begin(), of.end()) + 1;
}

std::vector<std::int64_t> NeuronGroups::legend() const {
  constexpr std::int64_t most_names = 12;
  std::vector<std::int64_t> names(static_cast<std::size_t>(count <= most_names ? count : 0));
  std::iota(names.begin(), names.end(), 0);
  return names;
}

}  // namespace weft
