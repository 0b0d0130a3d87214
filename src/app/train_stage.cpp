#include "app/train_stage.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/comm/process_grid.hpp"
#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"
#include "weft/core/version.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/checkpoint_saver.hpp"
#include "weft/io/dataset.hpp"
#include "weft/train/trainer.hpp"

#include "app/training.hpp"

namespace weft {
namespace {

Retention retention_of(const Config& config) { return {config.checkpoint.keep, config.checkpoint.major}; }

CheckpointInfo describe_training(const StageContext& context, std::int64_t neurons, std::int64_t step) {
  CheckpointInfo info;
  info.step = step;
  info.neurons = neurons;
  info.method = method_name(context.config.training.method);
  info.config_hash = stage_key(context.config, Stage::train);
  info.version = version_line();
  return info;
}

/// @collective
Checkpoint open_together(Communicator& world, const std::filesystem::path& folder) {
  std::optional<Checkpoint> checkpoint;
  collectively(world, [&] { checkpoint.emplace(folder); });
  return std::move(*checkpoint);
}

/// The newest sound checkpoint, read by rank 0; empty where there is none. @collective
std::filesystem::path agreed_last_good(const StageContext& context) {
  std::string found;
  if (context.world.rank() == 0) {
    try {
      found =
          newest_sound_checkpoint(context.folder.checkpoints()).value_or(std::filesystem::path()).string();
    } catch (const UserError& error) {  // what made the training diverge is to be heard
      log_warning("{}", error.what());
    }
  }
  return broadcast_text(context.world, found);
}

/// Trains to the end, or until numbers that are not finite stop it for good; goes back to the last good
/// checkpoint as often as the trainer lets itself be sent there. @collective
void train_to_the_end(const StageContext& context, Trainer& trainer, StageControl& control,
                      CheckpointSaver* saver, const SaveState& save) {
  while (true) {
    try {
      return trainer.train(control, save);
    } catch (const DivergedError& error) {
      control.diverged();
      control.settle();
      const std::filesystem::path good = agreed_last_good(context);
      if (good.empty()) throw;
      const Checkpoint state = open_together(context.world, good);
      if (!trainer.rewind(state))
        throw DivergedError(fmt::format("{}; the last good checkpoint is {}", error.what(), good.string()));
      control.progress({"train", trainer.steps_done(), context.config.training.steps, "steps", ""});
      if (saver != nullptr) saver->continue_from(state.info());
      if (context.world.rank() == 0)
        log_warning("{}; goes on from {} in smaller steps", error.what(), good.string());
    }
  }
}

/// How often, and after what pauses, the model is tried to be written at the end of all work.
constexpr int kAttempts = 3;
constexpr std::chrono::seconds kPause{5};

/// Tries to write the finished model, again where it fails. What failed the last time; nothing where it is
/// written. @collective over the row shards
std::optional<std::string> try_to_save(const StageContext& context, Communicator& rows,
                                       const CheckpointInfo& info, const RowPartition& partition,
                                       const ModelArrays& arrays) {
  for (int attempt = 1;; ++attempt) {
    try {
      save_checkpoint(rows, context.folder.checkpoints(), info, partition, arrays.rows, arrays.common,
                      retention_of(context.config));
      return std::nullopt;
    } catch (const UserError& error) {
      if (attempt == kAttempts) return error.what();
      if (rows.rank() == 0) log_warning("{}; tried again in {} s", error.what(), kPause.count());
    }
    std::this_thread::sleep_for(kPause);
  }
}

/// The finished model, by the ranks of the first replica: the others hold the same. @collective
/// @throws ResultNotWritten
void save_result(const StageContext& context, const ProcessGrid& grid, const CheckpointInfo& info,
                 const RowPartition& partition, const ModelArrays& arrays) {
  const InSection writing(Section::checkpoint);
  std::optional<std::string> failure;
  if (grid.replica() == 0) failure = try_to_save(context, grid.rows(), info, partition, arrays);
  collectively(context.world, [&] {
    if (failure)
      throw ResultNotWritten(fmt::format(
          "{}; the trained model is not saved, but its training is as far as its last checkpoint", *failure));
  });
}

TrainingData read_data(const ProcessGrid& grid, const Dataset& dataset) {
  const InSection reading(Section::read);
  return load_training_data(grid.rows(), dataset);
}

/// The groups of metrics.json that the training gives, and how its checkpoints went.
nlohmann::json findings_of(const Trainer& trainer, CheckpointSaver* saver) {
  nlohmann::json findings = trainer.findings();
  if (saver == nullptr) return findings;
  const CheckpointAccount& account = saver->account();
  if (account.saved + account.failures == 0) return findings;
  findings["checkpoints"] = {
      {"saved", account.saved}, {"failures", account.failures}, {"longest_s", account.longest_seconds}};
  return findings;
}

}  // namespace

LoopTime train_stage(const StageContext& context, StageControl& control, const std::filesystem::path& state) {
  const Config& config = context.config;
  const ProcessGrid grid(context.world, config.training.replicas);
  std::optional<Dataset> dataset;
  std::vector<std::int64_t> groups;
  collectively(context.world, [&] {
    dataset.emplace(dataset_of(context));
    groups = psi_groups(config.training, dataset->file(), dataset->info().neurons);
  });
  TrainingData data = read_data(grid, *dataset);
  const RowPartition partition = data.partition;
  const std::unique_ptr<Trainer> trainer =
      make_trainer(context.device, grid, config, std::move(groups), std::move(data));
  std::optional<CheckpointSaver> saver;
  if (grid.replica() == 0)
    saver.emplace(grid.rows(), context.folder.checkpoints(), partition, retention_of(config));
  if (!state.empty()) {
    const InSection reading(Section::read);
    const Checkpoint saved = open_together(context.world, state);
    trainer->resume(saved);
    if (saver) saver->continue_from(saved.info());
    log_info("train: goes on from {}", state.string());
  }
  const std::int64_t first_step = trainer->steps_done();
  control.save_with(saver ? &*saver : nullptr, grid.shards());
  const auto save = [&](std::int64_t step, const ModelArrays& arrays) {
    CheckpointInfo info = describe_training(context, partition.rows(), step);
    info.complete = false;
    control.save(info, arrays);
  };
  const bool counts_steps = config.training.method == TrainingMethod::adam;
  control.progress(counts_steps ? Progress{"train", first_step, config.training.steps, "steps", ""}
                                : Progress{"train", 0, 1, "GFLOP", ""});
  const auto start = std::chrono::steady_clock::now();
  train_to_the_end(context, *trainer, control, saver ? &*saver : nullptr, save);
  const LoopTime time{seconds_since(start), counts_steps ? trainer->steps_done() - first_step : 0};
  control.settle();

  CheckpointInfo info = describe_training(context, partition.rows(), trainer->steps_done());
  if (saver) info.number = saver->next_number();
  info.findings = findings_of(*trainer, saver ? &*saver : nullptr).dump();
  save_result(context, grid, info, partition, trainer->arrays());
  return time;
}

}  // namespace weft
