#pragma once

#include <functional>
#include <memory>
#include <string>

#include "weft/comm/communicator.hpp"
#include "weft/comm/rank_board.hpp"
#include "weft/core/section.hpp"

namespace weft {

/// How long the ranks wait for one of them before they give it up [s].
struct Patience {
  double heartbeat = 30;     ///< no sign of life at all
  double step = 1800;        ///< in one section (core/section.hpp), or from one noted step to the next
  double collective = 1800;  ///< likewise, and so on
  double checkpoint = 7200;
  double read = 7200;

  double of(Section section) const;
};

/// Why a run cannot go on, and whose part it is to say so.
struct Alarm {
  std::string words;   ///< one line: rank, host, what is wrong, its stage, step and section
  bool leads = false;  ///< this rank is the one to tell the user; the others heard it from it, or will wait
};

/// How a rank's memory is told. Called about once a second on the heartbeat's thread; must not throw.
using MemoryGauge = std::function<MemoryUse()>;

/// What the signs of life carry beside, for those who look at a run from outside.
struct NewsOfRanks {
  MemoryGauge memory;                ///< of this rank; zeros are told without it
  std::shared_ptr<RankBoard> board;  ///< where rank 0 posts what it hears, if anywhere
};

/// Watches over the ranks of a run, which could otherwise wait in a collective for one that is dead, stopped
/// or stuck, for ever.
///
/// Each rank has a thread of its own, which does without MPI (MPI is the main thread's, and not reliable
/// after a death): it is connected to rank 0 by TCP (IPv4), over which both say about once a second that they
/// live, and the ranks also what they are doing. Rank 0 raises the alarm where a rank's process has gone
/// without a goodbye, where it has given no sign of life for `patience.heartbeat`, and where its main thread
/// has been in one section for longer than that section's patience. Time in which some rank reads or writes a
/// checkpoint, within its own patience, is not counted for those in a step or a collective, who may be
/// waiting for it; nor is time in which the watching process itself did not run, so that a job that is
/// suspended and resumed as a whole is none that failed. The other ranks watch rank 0 for death and silence.
/// One rank alone watches its own sections.
///
/// A rank that cannot be connected (a firewall) is not watched, of which rank 0 logs a warning.
class Heartbeat {
 public:
  /// Called at most once, on the heartbeat's thread; not to throw. To end the process here is what it is
  /// for: the main thread may never come back.
  using OnAlarm = std::function<void(const Alarm&)>;

  /// Connects the ranks. `world` is used here and not afterwards. @collective
  Heartbeat(Communicator& world, const Patience& patience, OnAlarm on_alarm, const NewsOfRanks& news = {});
  /// Says goodbye; from then on nobody takes this rank for dead, nor any other whose connection ends. Waits
  /// for no other rank. Local.
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace weft
