#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weft/comm/heartbeat.hpp"

namespace weft {

/// What a rank says of itself.
struct Sign {
  std::string stage;
  std::int64_t step = 0;
  Section section = Section::step;
  double seconds = 0;      ///< in the section
  double own_seconds = 0;  ///< as RankNews
  MemoryUse memory = {};
};

/// What this rank has to say of itself now.
Sign own_sign(const MemoryGauge& memory);

/// How often signs are given, and looked for [s].
double interval_of(const Patience& patience);

/// Judges ranks by the signs they give. Knows neither clocks nor connections: it is told what happened.
class Judge {
 public:
  /// @param hosts of all ranks; at first none of them is watched.
  Judge(std::vector<std::string> hosts, const Patience& patience);

  /// Watched from now on, until it left.
  void watch(int rank) { of(rank).watched = true; }
  void heard(int rank, Sign sign);
  /// Its connection ended without a goodbye.
  void lost(int rank) { of(rank).lost = true; }
  /// It said goodbye.
  void left(int rank) { of(rank).watched = false; }

  /// So much time has passed [s]; at most a few intervals of it are counted, the rest is time in which the
  /// judge itself did not run.
  void pass(double seconds);
  /// What is wrong, in a line; nothing while all is well.
  std::optional<std::string> verdict() const;

 private:
  struct Watched {
    bool watched = false;
    bool lost = false;
    Sign sign;
    double silent = 0;  ///< time counted since the last sign [s]
    double spent = 0;   ///< time counted in the section [s]
  };

  Watched& of(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }
  bool overdue(const Watched& rank) const;
  bool somebody_uses_the_disk() const;
  std::string name(const Watched& rank) const;
  std::string words_of_overdue(const Watched& rank) const;

  std::vector<std::string> hosts_;
  Patience patience_;
  std::vector<Watched> ranks_;
};

}  // namespace weft
