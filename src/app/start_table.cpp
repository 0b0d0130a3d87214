#include "weft/app/start_table.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace weft {
namespace {

constexpr std::size_t kColumns = 6;
using Line = std::array<std::string, kColumns>;

Line line_of(const RankOnGpu& rank) {
  return {std::to_string(rank.rank),
          rank.host,
          rank.gpu,
          rank.uuid,
          fmt::format("{} to {}", rank.first_row, rank.first_row + rank.rows - 1),
          fmt::format("{} of {}", gigabytes(rank.needed_bytes), gigabytes(rank.free_bytes))};
}

std::string joined(const Line& line, const std::array<std::size_t, kColumns>& widths) {
  std::string text = fmt::format("{:>{}}", line[0], widths[0]);  // the rank's number
  for (std::size_t column = 1; column < kColumns; ++column)
    text += fmt::format("  {:<{}}", line[column], column + 1 < kColumns ? widths[column] : 0);
  return text;
}

}  // namespace

std::string gigabytes(std::int64_t bytes) {
  return fmt::format("{:.2f} GB", 1e-9 * static_cast<double>(bytes));
}

std::vector<std::string> start_table(std::span<const RankOnGpu> ranks) {
  std::vector<Line> lines{{"rank", "host", "GPU", "UUID", "rows", "memory needed of free"}};
  for (const RankOnGpu& rank : ranks) lines.push_back(line_of(rank));
  std::array<std::size_t, kColumns> widths{};
  for (const Line& line : lines)
    for (std::size_t column = 0; column < kColumns; ++column)
      widths[column] = std::max(widths[column], line[column].size());
  std::vector<std::string> table;
  for (const Line& line : lines) table.push_back(joined(line, widths));
  return table;
}

}  // namespace weft
