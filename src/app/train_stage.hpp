#pragma once

#include <filesystem>

#include "app/stage_control.hpp"
#include "app/stage_parts.hpp"

namespace weft {

/// Recovers the wiring from the dataset, and writes the model as the newest checkpoint. Goes on from `state`,
/// a checkpoint of this training under way, if one is named, on any number of ranks; where the training is to
/// stop, it leaves one. The time is that of the training without the reading of data. @collective
/// @throws on all ranks: UserError; Stopped; ResultNotWritten.
LoopTime train_stage(const StageContext& context, StageControl& control, const std::filesystem::path& state);

}  // namespace weft
