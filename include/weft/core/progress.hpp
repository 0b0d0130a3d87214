#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace weft {

/// How far a long loop has come.
struct Progress {
  std::string stage;      ///< such as "simulate"
  std::int64_t done = 0;  ///< of `total`, in `unit`
  std::int64_t total = 0;
  std::string unit;    ///< such as "steps"
  std::string detail;  ///< such as "loss 3.21"; may be empty
};

/// Called by every long loop, often; whoever shows it decides how seldom. Must not throw.
using ProgressSink = std::function<void(const Progress&)>;

}  // namespace weft
