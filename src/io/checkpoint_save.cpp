#include <optional>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/io/checkpoint.hpp"

#include "io/checkpoint_folders.hpp"
#include "io/checkpoint_write.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

/// Each step is collective and throws on all ranks or on none.
void save_in_steps(Communicator& group, const fs::path& root, const CheckpointInfo& info,
                   const RowPartition& partition, std::span<const ArrayView> rows,
                   std::span<const ArrayView> common, const Retention& retention) {
  const bool leads = group.rank() == 0;
  CheckpointPart own;
  collectively(group, [&] {
    if (leads) prepare_checkpoint(root, info.step);
  });
  collectively(group, [&] {
    own = write_part(temporary_folder(root, info.step), partition, group.rank(), rows, common);
  });
  Manifest manifest = gather_manifest(group, info, partition, own);
  collectively(group, [&] {
    if (!leads) return;
    publish_checkpoint(root, manifest);
    try {
      supersede_former(root, manifest.info, retention);
    } catch (const UserError& error) {
      log_warning("{}; the checkpoint itself is saved", error.what());
    }
  });
}

}  // namespace

void save_checkpoint(Communicator& group, const fs::path& root, const CheckpointInfo& info,
                     const RowPartition& partition, std::span<const ArrayView> rows,
                     std::span<const ArrayView> common, const Retention& retention) {
  check_request(group, info, partition, retention);
  try {
    save_in_steps(group, root, info, partition, rows, common, retention);
  } catch (...) {
    // All ranks are here, none still writes.
    if (group.rank() == 0) discard_unpublished(root, info.step);
    throw;
  }
}

}  // namespace weft
