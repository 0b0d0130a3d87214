#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/io/checkpoint.hpp"

#include "io/manifest.hpp"

/// The steps of writing a checkpoint, one after the other: rank 0 prepares, every rank writes its part, all
/// describe theirs, rank 0 publishes and removes what is superseded. All of it is in the .tmp folder until
/// it is published.
namespace weft {

/// What one rank has written.
struct CheckpointPart {
  ManifestFile shard;
  ManifestFile common;  ///< of rank 0
};

/// @throws InternalError unless this can be saved by this group. Local.
void check_request(const Communicator& group, const CheckpointInfo& info, const RowPartition& partition,
                   const Retention& retention);

/// Clears what killed saves left, and makes the folder to write into. By rank 0. Local. @throws UserError
void prepare_checkpoint(const std::filesystem::path& root, std::int64_t step);

/// Writes and syncs a rank's shard; that of rank 0 also common.h5. Local. @throws UserError
CheckpointPart write_part(const std::filesystem::path& temporary, const RowPartition& partition, int shard,
                          std::span<const ArrayView> rows, std::span<const ArrayView> common);

/// The manifest of what all ranks have written; whole on rank 0, where common.h5 was. @collective
Manifest gather_manifest(Communicator& group, const CheckpointInfo& info, const RowPartition& partition,
                         const CheckpointPart& own);

/// Gives the checkpoint a number where it has none, its manifest and its name: it is valid then. By rank 0.
/// Local. @throws UserError; what was there before is still valid.
void publish_checkpoint(const std::filesystem::path& root, Manifest& manifest);

/// Has `latest` name a valid checkpoint, and removes those that it supersedes. By rank 0. Local.
/// @throws UserError
void supersede_former(const std::filesystem::path& root, const CheckpointInfo& info,
                      const Retention& retention);

/// Removes what was written and not published: its space is needed by whoever tries again. By rank 0, when
/// no rank writes any more. Local.
void discard_unpublished(const std::filesystem::path& root, std::int64_t step) noexcept;

}  // namespace weft
