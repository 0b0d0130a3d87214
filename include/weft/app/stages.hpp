#pragma once

#include <filesystem>

#include "weft/app/run_folder.hpp"
#include "weft/comm/communicator.hpp"
#include "weft/config/config.hpp"
#include "weft/core/progress.hpp"
#include "weft/device/device.hpp"
#include "weft/ops/run_metrics.hpp"
#include "weft/ops/stop_request.hpp"

namespace weft {

/// What every stage works with; the same on all ranks, but for the device.
struct StageContext {
  Device& device;  ///< of this rank; `world` has collectives on its memory
  Communicator& world;
  const Config& config;
  RunFolder folder;
  int threads = 1;
  ProgressSink progress;
  StopRequest& stop;
  RunMetrics* metrics = nullptr;  ///< on rank 0, where somebody wants them
  std::string why_host;  ///< why the device is the host, though a GPU would have been taken; else empty
};

/// Runs one stage from the files of the stage before it, and notes its time and memory in log/timings.json.
/// The stage's own result, if there was one, must have been discarded. Goes on from `state`, the checkpoint
/// of this stage under way, if one is named. @collective
/// @throws on all ranks: UserError; Stopped, where the stage was to stop, with its state saved;
/// ResultNotWritten.
void run_stage(const StageContext& context, Stage stage, const std::filesystem::path& state);

}  // namespace weft
