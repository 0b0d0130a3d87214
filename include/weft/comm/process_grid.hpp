#pragma once

#include <memory>

#include "weft/comm/communicator.hpp"

namespace weft {

/// Ranks as a grid of row shards x replicas. A replica is a full set of rows; replicas hold the same rows of
/// W and take different frames of each batch.
///
///     6 ranks, 2 replicas        shard 0   shard 1   shard 2
///                    replica 0   rank 0    rank 1    rank 2     <- `rows()` of rank 1: ranks 0 1 2
///                    replica 1   rank 3    rank 4    rank 5
///                                            ^- `replicas()` of rank 1: ranks 1 4
class ProcessGrid {
 public:
  /// @collective over `world`, which must outlive the grid.
  /// @throws UserError where the ranks cannot be divided into that many replicas.
  ProcessGrid(Communicator& world, int replicas);

  Communicator& world() const { return world_; }
  /// The ranks of this rank's replica: together they hold every row once.
  Communicator& rows() const { return *rows_; }
  /// The ranks that hold the same rows as this one.
  Communicator& replicas() const { return *replicas_; }
  int shard() const { return rows_->rank(); }
  int shards() const { return rows_->size(); }
  int replica() const { return replicas_->rank(); }

 private:
  Communicator& world_;
  std::unique_ptr<Communicator> rows_;
  std::unique_ptr<Communicator> replicas_;
};

}  // namespace weft
