#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// `text` with the characters that mean something to HTML replaced, in content and in quoted attributes
/// alike.
std::string escape_html(std::string_view text);

/// RFC 4648, with padding.
std::string encode_base64(std::string_view bytes);

/// A number or fact with its name; `note` says how it is defined and may be empty.
struct ReportRow {
  std::string name;
  std::string value;
  std::string note;
};

struct ReportTable {
  std::string heading;
  std::vector<ReportRow> rows;
};

struct ReportFigure {
  std::string letter;
  std::string title;
  std::string caption;
  std::string png;    ///< the bytes of the picture
  bool wide = false;  ///< a row of the page for itself
};

struct ReportPage {
  std::string title;
  std::string subtitle;
  std::string config_hash;  ///< kept in <meta name="weft-config-hash">
  std::vector<ReportRow> tiles;
  std::vector<ReportFigure> figures;
  std::vector<ReportTable> tables;
  std::string config;  ///< YAML, as resolved
};

/// The page as one self-contained HTML document: pictures and style are inside, no script, nothing is loaded.
/// Every text of `page` is taken literally. Local.
std::string render_html(const ReportPage& page);

}  // namespace weft
