#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/comm/heartbeat.hpp"

#include "heartbeat_line.hpp"

namespace weft {

/// A rank's part in watching over all of them. Of one thread, after its construction.
class Watch {
 public:
  virtual ~Watch() = default;
  /// Once an interval: hears what the others say, and says that this rank lives. The alarm, if there is one.
  virtual std::optional<Alarm> look() = 0;
  /// Says goodbye.
  virtual void leave() = 0;
};

/// Rank 0's, which hears all others and raises the alarm. What it hears it posts on the board, if there is
/// one.
std::unique_ptr<Watch> watch_over_all(std::map<int, Line> lines, std::vector<std::string> hosts,
                                      const Patience& patience, const NewsOfRanks& news);
/// Every other's, which hears rank 0. `leads`: it tells the user where rank 0 is lost.
std::unique_ptr<Watch> watch_over_first(Line line, std::vector<std::string> hosts, const Patience& patience,
                                        const NewsOfRanks& news, int rank, bool leads);

}  // namespace weft
