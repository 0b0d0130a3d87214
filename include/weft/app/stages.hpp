#pragma once

#include "weft/app/run_folder.hpp"
#include "weft/comm/communicator.hpp"
#include "weft/config/config.hpp"
#include "weft/core/progress.hpp"

namespace weft {

/// What every stage works with; the same on all ranks.
struct StageContext {
  Communicator& world;
  const Config& config;
  RunFolder folder;
  int threads = 1;
  ProgressSink progress;
};

/// Runs one stage from the files of the stage before it, and notes its time and memory in log/timings.json.
/// The stage's own result, if there was one, must have been discarded. @collective
/// @throws UserError on all ranks.
void run_stage(const StageContext& context, Stage stage);

}  // namespace weft
