#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "weft/comm/process_grid.hpp"
#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/train/adam_trainer.hpp"

#include "assembly.hpp"
#include "support/scripted_control.hpp"

namespace weft {

/// To the end, with nobody who would save or stop it.
inline void train_unattended(Trainer& trainer) {
  Unattended nobody;
  trainer.train(nobody, {});
}

/// Where the state after this step lies.
inline Checkpoint saved_at(const std::filesystem::path& root, std::int64_t step) {
  return Checkpoint(root / fmt::format("step_{:012d}", step));
}

/// Saves a state as a run does: the first replica writes, all wait. @collective
inline void save_state(const ProcessGrid& grid, const std::filesystem::path& root,
                       const RowPartition& partition, std::int64_t step, const ModelArrays& state) {
  CheckpointInfo info;
  info.step = step;
  info.neurons = partition.rows();
  info.method = "adam";
  info.config_hash = "cafe";
  info.version = "0.1.0";
  info.complete = false;
  if (grid.replica() == 0)
    save_checkpoint(grid.rows(), root, info, partition, state.rows, state.common, Retention{1000, 0});
  grid.world().barrier();
}

/// Trains until the poll of this number, from 1, and is stopped there. @collective
inline void stop_after(Trainer& trainer, std::int64_t polls, const SaveState& save) {
  ScriptedControl control(
      [polls](std::int64_t poll) { return poll + 1 == polls ? Wish::stop : Wish::go_on; });
  EXPECT_THROW(trainer.train(control, save), Stopped);
}

/// Arrays by name, every one as its bytes.
using Bits = std::map<std::string, std::vector<std::byte>>;

inline Bits bits_of(const ModelArrays& arrays) {
  Bits bits;
  for (const std::vector<ArrayView>* group : {&arrays.rows, &arrays.common}) {
    for (const ArrayView& array : *group) {
      std::visit(
          [&](auto values) {
            const auto bytes = std::as_bytes(values);
            bits[array.name].assign(bytes.begin(), bytes.end());
          },
          array.values);
    }
  }
  return bits;
}

/// The names of the arrays that are not the same, bit for bit.
inline std::vector<std::string> differences(const Bits& a, const Bits& b) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : a) {
    const auto other = b.find(name);
    if (other == b.end() || other->second != bytes) names.push_back(name);
  }
  for (const auto& [name, bytes] : b)
    if (!a.contains(name)) names.push_back(name);
  return names;
}

/// Some ranks that train the assembly on a device, and where they save.
struct Job {
  Device& device;
  ProcessGrid grid;
  RowPartition partition{Assembly::neurons, grid.shards()};
  std::filesystem::path root;

  /// `world` is of the device. @collective
  Job(Device& where, Communicator& world, int replicas, std::filesystem::path folder = {})
      : device(where), grid(world, replicas), root(std::move(folder)) {}

  AdamTrainer trainer(const TrainingConfig& config, at::ScalarType type = at::kFloat) const {
    SignalGnn network = random_network(partition, grid.shard(), type);
    return {device, grid, Assembly().data(partition, grid.shard()), std::move(network), config, 7};
  }
  SaveState save() const {
    return [this](std::int64_t step, const ModelArrays& state) {
      save_state(grid, root, partition, step, state);
    };
  }
  Bits bits_of_uninterrupted(const TrainingConfig& config) const {
    AdamTrainer training = trainer(config);
    train_unattended(training);
    return bits_of(training.arrays());
  }
  /// Of what goes on from the state after `step`.
  Bits bits_of_resumed(const TrainingConfig& config, std::int64_t step) const {
    AdamTrainer training = trainer(config);
    training.resume(saved_at(root, step));
    EXPECT_EQ(training.steps_done(), step);
    train_unattended(training);
    EXPECT_EQ(training.steps_done(), config.steps);
    return bits_of(training.arrays());
  }
};

/// Rates that no training survives, 2^100 times those that it does, and as many rewinds: Adam's steps are as
/// long as its rates, and a power of two changes no bit of them.
inline TrainingConfig made_wild(TrainingConfig config) {
  config.divergence = DivergencePolicy::rewind;
  config.most_rewinds = 100;
  for (double* const rate : {&config.learning_rate.connectivity, &config.learning_rate.embedding,
                             &config.learning_rate.phi, &config.learning_rate.psi})
    *rate = std::ldexp(*rate, 100);
  return config;
}

}  // namespace weft
