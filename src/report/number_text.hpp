#pragma once

#include <cmath>
#include <string>

#include <fmt/format.h>

namespace weft {

/// With so many decimals; never "-0.000".
inline std::string fixed_text(double value, int decimals) {
  const double unit = std::pow(10.0, decimals);
  // Adding 0 turns a negative zero into a positive one.
  return fmt::format("{:.{}f}", std::round(value * unit) / unit + 0.0, decimals);
}

}  // namespace weft
