#include "weft/comm/process_grid.hpp"

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

int shards_of(int ranks, int replicas) {
  if (replicas >= 1 && ranks % replicas == 0) return ranks / replicas;
  throw UserError({"training.replicas", fmt::format("{} replicas on {} MPI ranks", replicas, ranks),
                   "a number that divides the ranks", "change training.replicas or the number of ranks"});
}

}  // namespace

ProcessGrid::ProcessGrid(Communicator& world, int replicas) : world_(world) {
  const int shards = shards_of(world.size(), replicas);
  rows_ = world.split(world.rank() / shards);
  replicas_ = world.split(world.rank() % shards);
}

}  // namespace weft
