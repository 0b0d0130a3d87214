#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "weft/app/stages.hpp"
#include "weft/comm/process_grid.hpp"
#include "weft/train/trainer.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// "adam", "varpro": as configs and checkpoints have it. Local.
std::string method_name(TrainingMethod method);

/// What can be known of a training before anything is written. Local.
/// @throws UserError for keys that do not go with each other or with the dataset, a file that cannot be used;
/// UnidentifiableError for fewer frames than the closed form needs.
void check_training(const Config& config, const RunFolder& folder);

/// The trainer of training.method, its initial model loaded. `dataset` is the file that `data` came from; of its truth
/// it reads the types alone, and these only where training.psi_groups asks for them. @collective over the grid's world.
/// @throws UserError on all ranks.
std::unique_ptr<Trainer> make_trainer(const ProcessGrid& grid, const Config& config,
                                      const std::filesystem::path& dataset, TrainingData data);

}  // namespace weft
