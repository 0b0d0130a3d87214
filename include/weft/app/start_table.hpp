#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// A rank with its GPU and its part of the work.
struct RankOnGpu {
  int rank = 0;
  std::string host;
  std::string gpu;   ///< its name
  std::string uuid;  ///< its
  std::int64_t first_row = 0;
  std::int64_t rows = 0;          ///< of W
  std::int64_t needed_bytes = 0;  ///< of the GPU's memory, by the stages to come
  std::int64_t free_bytes = 0;
};

/// Who computes where, as the log shows it at the start: a line of headings, then one for each rank. Local.
std::vector<std::string> start_table(std::span<const RankOnGpu> ranks);

/// Bytes as people read them: "1.25 GB". Local.
std::string gigabytes(std::int64_t bytes);

}  // namespace weft
