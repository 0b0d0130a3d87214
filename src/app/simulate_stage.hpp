#pragma once

#include <filesystem>

#include "app/stage_control.hpp"
#include "app/stage_parts.hpp"

namespace weft {

/// Makes the dataset, in `data.tmp` until it is whole. Goes on from `state`, a checkpoint in there, if one is
/// named, on any number of ranks; where the simulation is to stop, it leaves one. The time is that of the
/// steps and the writing of their frames. @collective
/// @throws on all ranks: UserError; Stopped.
LoopTime simulate_stage(const StageContext& context, StageControl& control,
                        const std::filesystem::path& state);

}  // namespace weft
