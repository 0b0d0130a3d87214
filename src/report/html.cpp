#include "weft/report/html.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace weft {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light; --ink: #1c1c1c; --quiet: #5a5a5a; --line: #dcdcdc; --shade: #f6f7f9;
  --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 3rem; background: #fff; color: var(--ink);
  font: 1rem/1.5 "DejaVu Sans", Verdana, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 1.9rem; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 0.8rem; padding-bottom: 0.25rem; border-bottom: 2px solid var(--accent); font-size: 1.2rem; }
.subtitle { margin: 0.2rem 0 1.5rem; color: var(--quiet); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.8rem; }
.tile { padding: 0.8rem 1rem; border: 1px solid var(--line); border-top: 4px solid var(--accent);
  background: var(--shade); }
.tile b { display: block; font-size: 1.7rem; line-height: 1.3; }
.tile small { display: block; color: var(--quiet); }
figure { display: inline-block; width: 48.5%; margin: 0 0.8% 1.5rem 0; vertical-align: top; break-inside: avoid; }
figure.wide { display: block; width: 100%; }
figure.wide img { width: 60%; }
figure img { display: block; width: 100%; height: auto; border: 1px solid var(--line); }
figcaption { margin-top: 0.4rem; color: var(--quiet); font-size: 0.88rem; }
figcaption b { color: var(--ink); }
table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 0.9rem; }
td, th { padding: 0.3rem 0.7rem 0.3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { width: 36%; font-weight: normal; font-family: "DejaVu Sans Mono", Consolas, monospace; font-size: 0.8rem; }
td.value { width: 22%; font-variant-numeric: tabular-nums; }
td.note { color: var(--quiet); }
pre { margin: 0; padding: 1rem; background: var(--shade); border: 1px solid var(--line); overflow-x: auto;
  font: 0.82rem/1.45 "DejaVu Sans Mono", Consolas, monospace; }
@media screen and (max-width: 46rem) { figure, figure.wide img { width: 100%; } }
@media print {
  html { font-size: 12px; }
  body { max-width: none; padding: 0; }
  .tiles { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  pre { white-space: pre-wrap; }
  h2 { break-after: avoid; }
  tr, .tile { break-inside: avoid; }
}
)css";

std::string tile_html(const ReportRow& tile) {
  return fmt::format("<div class=\"tile\"><span>{}</span><b>{}</b><small>{}</small></div>\n",
                     escape_html(tile.name), escape_html(tile.value), escape_html(tile.note));
}

std::string figure_html(const ReportFigure& figure) {
  const std::string title = escape_html(figure.title);
  const std::string caption = escape_html(figure.caption);
  return fmt::format(
      "<figure{0}>\n<img alt=\"{1}\" src=\"data:image/png;base64,{2}\">\n<figcaption><b>{3} &nbsp;{1}.</b> "
      "{4}</figcaption>\n</figure>\n",
      figure.wide ? " class=\"wide\"" : "", title, encode_base64(figure.png), escape_html(figure.letter),
      caption);
}

std::string table_html(const ReportTable& table) {
  std::string html = fmt::format("<h2>{}</h2>\n<table>\n", escape_html(table.heading));
  for (const ReportRow& row : table.rows)
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"value\">{}</td><td class=\"note\">{}</td></tr>\n",
        escape_html(row.name), escape_html(row.value), escape_html(row.note));
  return html + "</table>\n";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string encode_base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string render_html(const ReportPage& page) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"weft-config-hash\" "
      "content=\"{}\">\n<title>{}</title>\n<kStyle>{}</kStyle>\n</head>\n<body>\n"
      "<h1>{}</h1>\n<p class=\"subtitle\">{}</p>\n",
      escape_html(page.config_hash), escape_html(page.title), kStyle, escape_html(page.title),
      escape_html(page.subtitle));
  if (!page.tiles.empty()) {
    html += "<div class=\"tiles\">\n";
    for (const ReportRow& tile : page.tiles) html += tile_html(tile);
    html += "</div>\n";
  }
  html += "<h2>Panels</h2>\n";
  for (const ReportFigure& figure : page.figures) html += figure_html(figure);
  for (const ReportTable& table : page.tables) html += table_html(table);
  html += fmt::format("<h2>Configuration, as resolved</h2>\n<pre>{}</pre>\n</body>\n</html>\n",
                      escape_html(page.config));
  return html;
}

}  // namespace weft
