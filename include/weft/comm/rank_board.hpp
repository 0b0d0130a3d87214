#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace weft {

/// Host memory as a rank sees it [bytes].
struct MemoryUse {
  std::int64_t resident = 0;           ///< held by the rank's process
  std::int64_t peak = 0;               ///< the most that it has held
  std::int64_t machine_available = 0;  ///< of the machine, or of the limit that the process is under
  std::int64_t machine_total = 0;
};

/// What rank 0 has last heard of a rank.
struct RankNews {
  double heard_at = 0;  ///< seconds since 1970, by rank 0's clock
  std::string stage;
  std::int64_t step = 0;
  double own_seconds = 0;  ///< spent in the stage on work of its own (core/phase.hpp)
  MemoryUse memory;
  /// Of the rank's own work in a step, the mean over the time between two signs of life [s]; nothing before
  /// the stage's second.
  std::optional<double> step_seconds;
};

/// The newest of all ranks, as their heartbeat brings it to rank 0. For any threads. Local.
class RankBoard {
 public:
  /// Takes news; `step_seconds` is worked out from those before.
  void post(int rank, RankNews news);
  std::map<int, RankNews> news() const;

 private:
  mutable std::mutex mutex_;
  std::map<int, RankNews> news_;
};

}  // namespace weft
