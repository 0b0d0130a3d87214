#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "weft/comm/communicator.hpp"

namespace weft {

enum class Collective { all_reduce, all_gather, reduce_scatter, broadcast };
inline constexpr std::size_t kCollectives = 4;

/// "all_reduce", ...
std::string_view collective_name(Collective collective);

/// What this process has handed to counted collectives of more than one rank so far: calls, and bytes of the
/// buffer that all blocks make together, whatever the transport then moves for it.
struct Traffic {
  std::array<std::int64_t, kCollectives> calls{};
  std::array<std::int64_t, kCollectives> bytes{};

  Traffic operator-(const Traffic& earlier) const;
};

/// From any thread.
Traffic traffic();

/// The same group, whose calls, and those of groups split off it, count as traffic from now on.
std::unique_ptr<Communicator> counted(std::unique_ptr<Communicator> group);

/// For work that is repeated without its calls, as a recorded step is: as much again.
void note_traffic(const Traffic& again);

}  // namespace weft
