#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "weft/app/stages.hpp"
#include "weft/comm/process_grid.hpp"
#include "weft/train/memory_needs.hpp"
#include "weft/train/trainer.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// "adam", "varpro": as configs and checkpoints have it. Local.
std::string method_name(TrainingMethod method);

/// What can be known of a training before anything is written. Local.
/// @throws UserError for keys that do not go with each other or with the dataset, a file that cannot be used;
/// UnidentifiableError for fewer frames than the closed form needs.
void check_training(const Config& config, const RunFolder& folder);

/// What the training's need for memory depends on, known before there is a dataset where it is to be
/// simulated. Local. @throws UserError as check_training.
DataSize data_size(const Config& config);

/// The group of each neuron that training.psi_groups gives; empty where all share one psi. Reads types from
/// the truth of `dataset`, and these only where they are asked for. To be called before frames are read: HDF5
/// does not open a shard for the truth once its view has. Local. @throws UserError
std::vector<std::int64_t> psi_groups(const TrainingConfig& training, const std::filesystem::path& dataset,
                                     std::int64_t neurons);

/// The trainer of training.method on `device`, its initial model loaded. @collective over the grid's world.
/// @throws UserError on all ranks.
std::unique_ptr<Trainer> make_trainer(Device& device, const ProcessGrid& grid, const Config& config,
                                      std::vector<std::int64_t> groups, TrainingData data);

}  // namespace weft
