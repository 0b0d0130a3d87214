#pragma once

#include "weft/app/run_folder.hpp"
#include "weft/comm/communicator.hpp"
#include "weft/config/config.hpp"
#include "weft/core/progress.hpp"
#include "weft/device/device.hpp"

namespace weft {

/// What every stage works with; the same on all ranks, but for the device.
struct StageContext {
  Device& device;  ///< of this rank; `world` has collectives on its memory
  Communicator& world;
  const Config& config;
  RunFolder folder;
  int threads = 1;
  ProgressSink progress;
  std::string why_host;  ///< why the device is the host, though a GPU would have been taken; else empty
};

/// Runs one stage from the files of the stage before it, and notes its time and memory in log/timings.json.
/// The stage's own result, if there was one, must have been discarded. @collective
/// @throws UserError on all ranks.
void run_stage(const StageContext& context, Stage stage);

}  // namespace weft
