#pragma once

#include <span>
#include <string>
#include <vector>

#include "weft/app/stages.hpp"

namespace weft {

/// The table at the start, for ranks on GPUs that are to run these stages; empty where none of them computes
/// there. @collective
/// @throws UserError on all ranks where a stage needs more memory than is free on the GPU of any.
std::vector<std::string> check_gpus(const StageContext& context, std::span<const Stage> stages);

}  // namespace weft
