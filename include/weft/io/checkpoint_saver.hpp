#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/io/checkpoint.hpp"

namespace weft {

/// How the saving went so far.
struct CheckpointAccount {
  std::int64_t saved = 0;      ///< checkpoints that became valid
  std::int64_t failures = 0;   ///< checkpoints that could not be saved
  std::int64_t last_step = 0;  ///< of the newest valid one
  double last_seconds = 0;     ///< from its start until it was valid
  double longest_seconds = 0;  ///< of all valid ones
};

/// Saves checkpoints, as `save_checkpoint` does, while the work goes on: `start` copies the arrays, a thread
/// writes this rank's files, and when all ranks have `written`, `publish` makes the checkpoint valid.
///
///     saver.start(info, state);              all ranks, at the same step
///     ...                                    steps; each votes `saver.written()`
///     if (all have written) saver.publish();
///     ...
///     saver.finish();                        at the end
///
/// A disk that fails throws nothing: what was there before stays valid, rank 0 logs a warning with the rank
/// and its reason, the failure is counted, and the next start tries again. HDF5 is not safe for threads: from
/// `start` until this rank has `written`, nothing else in this process may use it. For the main thread only.
class CheckpointSaver {
 public:
  /// `group`, which must outlive this, are the row shards of one replica; rank r writes shard r. Local.
  CheckpointSaver(Communicator& group, std::filesystem::path root, const RowPartition& partition,
                  const Retention& retention);
  /// Waits for this rank's thread; 5 seconds where an exception is on its way, which has to be heard: then
  /// the thread, and what it works on, is left to itself. A checkpoint that is not published by then never
  /// becomes valid. Local.
  ~CheckpointSaver();
  CheckpointSaver(const CheckpointSaver&) = delete;
  CheckpointSaver& operator=(const CheckpointSaver&) = delete;

  /// The work goes on from this state: checkpoints are numbered on from its, and those there with higher
  /// numbers belong to a course that was given up. Without it they are numbered on from the highest there.
  /// Local.
  void continue_from(const CheckpointInfo& state);

  /// Takes a copy of the arrays, which the caller may change from then on, and begins to write it;
  /// `info.number` is filled in. Where another checkpoint is under way it is waited for and published first.
  /// @collective over the group.
  void start(const CheckpointInfo& info, const ModelArrays& arrays);
  /// Whether this rank's part of the checkpoint under way is written, or could not be; false where none is
  /// under way. Local, cheap.
  bool written() const;
  /// Whether a checkpoint is under way; on rank 0 until it is valid or given up, on the others until it is to
  /// be published. Local, cheap.
  bool busy();
  /// Makes the checkpoint under way valid, or gives it up where a rank has failed; what that takes of the
  /// disk rank 0 does on its thread. Waits for ranks that have not written yet. @collective over the group.
  void publish();
  /// Waits for what is under way and publishes it. True where the checkpoint started last is valid; false
  /// where none was started. The same on all ranks. @collective over the group.
  bool finish();

  /// The number of the next checkpoint, for one that is saved without this; 0 where it is to be numbered on
  /// from the highest there. On rank 0. Local, cheap.
  std::int64_t next_number() const;

  /// What is known by now. On rank 0; on the others it stays empty. Local, cheap.
  const CheckpointAccount& account();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
