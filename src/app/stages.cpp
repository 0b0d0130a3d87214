#include "weft/app/stages.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <nlohmann/json.hpp>

#include "weft/comm/process_grid.hpp"
#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/version.hpp"
#include "weft/eval/evaluation.hpp"
#include "weft/io/files.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/load_recovered_model.hpp"
#include "weft/ops/host_name.hpp"
#include "weft/ops/memory.hpp"
#include "weft/report/report.hpp"
#include "weft/sim/neuron_types.hpp"
#include "weft/sim/simulator.hpp"

#include "app/training.hpp"

namespace weft {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Work of rank 0 alone, with its failure on all ranks. @collective
void on_first_rank(Communicator& world, const std::function<void()>& work) {
  collectively(world, [&] {
    if (world.rank() == 0) work();
  });
}

std::filesystem::path dataset_of(const StageContext& context) {
  return context.config.data.path.empty() ? context.folder.dataset() : context.config.data.path;
}

DatasetInfo describe(const Config& config) {
  const SimulationConfig& simulation = config.simulation;
  DatasetInfo info;
  info.frames = simulation.trajectories * simulation.frames;
  info.neurons = simulation.neurons;
  info.dt = simulation.dt;
  info.trajectory_starts.clear();
  for (std::int64_t s = 0; s < simulation.trajectories; ++s)
    info.trajectory_starts.push_back(s * simulation.frames);
  info.has_derivative = true;
  info.has_truth = true;
  info.config = to_yaml(config);
  info.config_hash = stage_key(config, Stage::simulate);
  info.version = version_line();
  return info;
}

/// Removes what a simulation that failed has written, which may be what filled the disk. Local, for the
/// failure may be that of one rank alone; the others' writers give their space back when they end.
void discard_data_under_way(const StageContext& context) {
  if (context.world.rank() != 0) return;
  try {
    remove_tree(context.folder.data_under_way());
  } catch (const UserError&) {  // what made the simulation fail is on its way already
  }
}

/// Seconds of the main loop: for a simulation the steps and the writing of their frames.
double simulate(const StageContext& context) {
  Communicator& world = context.world;
  const SimulationConfig& config = context.config.simulation;
  const std::filesystem::path folder = context.folder.data_under_way();
  Simulator simulator(context.device, world, config, context.config.seed);
  const RowPartition& partition = simulator.partition();
  const DatasetInfo info = describe(context.config);

  on_first_rank(world, [&] {
    remove_tree(folder);
    make_folders(folder / "shards");
  });
  std::optional<DatasetShardWriter> writer;
  double seconds = 0;
  try {
    collectively(world, [&] {
      writer.emplace(folder, info, partition, world.rank());
      writer->write_true_connectivity(LocalRow{0}, simulator.connectivity());
    });
    const auto start = std::chrono::steady_clock::now();
    simulator.run(
        [&](std::int64_t first_frame, std::span<const float> activity, std::span<const float> derivative) {
          writer->write_frames(first_frame, activity, derivative);
        },
        context.progress);
    seconds = seconds_since(start);
    collectively(world, [&] { writer->close(); });
  } catch (const UserError&) {
    writer.reset();
    discard_data_under_way(context);
    throw;
  }
  on_first_rank(world, [&] {
    const NeuronTypeTruth truth{neuron_types(config.neurons, static_cast<std::int64_t>(config.types.size())),
                                type_parameters(config.types)};
    write_dataset_view(folder, info, truth, partition);
    replace_folder(folder, context.folder.data());
  });
  return seconds;
}

/// As simulate.
double train(const StageContext& context) {
  const Config& config = context.config;
  const ProcessGrid grid(context.world, config.training.replicas);
  std::optional<Dataset> dataset;
  std::vector<std::int64_t> groups;
  collectively(context.world, [&] {
    dataset.emplace(dataset_of(context));
    groups = psi_groups(config.training, dataset->file(), dataset->info().neurons);
  });
  TrainingData data = load_training_data(grid.rows(), *dataset);
  const RowPartition partition = data.partition;
  const std::unique_ptr<Trainer> trainer =
      make_trainer(context.device, grid, config, std::move(groups), std::move(data));
  const auto start = std::chrono::steady_clock::now();
  trainer->train(context.progress);
  const double seconds = seconds_since(start);

  CheckpointInfo info;
  info.step = trainer->steps_done();
  info.neurons = partition.rows();
  info.method = method_name(config.training.method);
  info.config_hash = stage_key(config, Stage::train);
  info.version = version_line();
  info.findings = trainer->findings().dump();
  const ModelArrays arrays = trainer->arrays();
  // The other replicas hold the same model. Where the saving fails, its ranks end the others.
  if (grid.replica() == 0) {
    save_checkpoint(grid.rows(), context.folder.checkpoints(), info, partition, arrays.rows, arrays.common);
  }
  context.world.barrier();
  return seconds;
}

/// The most memory that any rank has held so far. @collective
double peak_bytes_of_ranks(Communicator& world) {
  const std::vector<double> peaks = gather_numbers(world, static_cast<double>(peak_resident_bytes()));
  return *std::max_element(peaks.begin(), peaks.end());
}

std::string device_name(const Device& device) { return device.is_host() ? "cpu" : device.description().name; }

/// metrics.json: what the evaluation and the training found, how long the stages took, and what made it.
nlohmann::json complete_metrics(const StageContext& context, nlohmann::json metrics,
                                const CheckpointInfo& training, const std::string& dataset, double peak) {
  metrics.update(nlohmann::json::parse(training.findings));
  const nlohmann::json stages = load_timings(context.folder);
  for (const auto& [stage, timing] : stages.items()) {
    metrics["timing"][stage + "_s"] = timing.at("seconds");
    peak = std::max(peak, timing.at("peak_bytes_max_rank").get<double>());
    if (timing.contains("step_ms")) metrics["timing"][stage + "_step_ms"] = timing.at("step_ms");
  }
  metrics["memory"]["peak_bytes_max_rank"] = static_cast<std::int64_t>(peak);
  const BuildInfo build = build_info();
  metrics["provenance"] = {{"version", build.version},
                           {"commit", build.commit},
                           {"config_hash", stage_key(context.config, Stage::evaluate)},
                           {"dataset", dataset},
                           {"method", training.method},
                           {"ranks", context.world.size()},
                           {"threads_per_rank", context.threads},
                           {"host", host_name()},
                           {"device", device_name(context.device)}};
  metrics["name"] = context.config.name;
  return metrics;
}

void evaluate_stage(const StageContext& context) {
  Communicator& world = context.world;
  std::optional<Dataset> dataset;
  std::optional<Truth> truth;
  std::unique_ptr<RecoveredModel> model;
  CheckpointInfo training;
  collectively(world, [&] {
    dataset.emplace(dataset_of(context));
    if (dataset->info().has_truth) truth.emplace(dataset_of(context));
    const RowPartition partition(dataset->info().neurons, world.size());
    const Checkpoint checkpoint(latest_checkpoint(context.folder.checkpoints()));
    training = checkpoint.info();
    model = load_recovered_model(checkpoint, partition, world.rank());
  });
  const Evaluation evaluation =
      evaluate(world, *model, *dataset, truth ? &*truth : nullptr, context.config.seed, context.progress);
  const double peak = peak_bytes_of_ranks(world);
  on_first_rank(world, [&] {
    make_folders(context.folder.results());
    write_figures(context.folder.figures(), evaluation.figures);
    write_text_atomically(context.folder.neurons(), neurons_csv(evaluation.neurons));
    const nlohmann::json metrics =
        complete_metrics(context, evaluation.metrics, training, dataset->file().string(), peak);
    write_text_atomically(context.folder.metrics(), metrics.dump(2) + "\n");
  });
}

void report(const StageContext& context) {
  on_first_rank(context.world,
                [&] { write_report(context.folder.path, stage_key(context.config, Stage::report)); });
}

/// Steps of the stage's main loop, all alike; 0 where it has none.
std::int64_t steps_of(const Config& config, Stage stage) {
  if (stage == Stage::simulate) return config.simulation.burn_in + config.simulation.frames;
  if (stage == Stage::train && config.training.method == TrainingMethod::adam) return config.training.steps;
  return 0;
}

/// Seconds of the main loop, 0 for a stage without one.
double do_stage(const StageContext& context, Stage stage) {
  switch (stage) {
    case Stage::simulate:
      return simulate(context);
    case Stage::train:
      return train(context);
    case Stage::evaluate:
      evaluate_stage(context);
      return 0;
    case Stage::report:
      report(context);
      return 0;
  }
  throw InternalError("an unknown stage");
}

}  // namespace

void run_stage(const StageContext& context, Stage stage) {
  const auto start = std::chrono::steady_clock::now();
  const double loop_seconds = do_stage(context, stage);
  const double seconds = seconds_since(start);
  const double peak = peak_bytes_of_ranks(context.world);
  on_first_rank(context.world, [&] {
    nlohmann::json timing = {{"seconds", seconds},
                             {"ranks", context.world.size()},
                             {"threads_per_rank", context.threads},
                             {"peak_bytes_max_rank", static_cast<std::int64_t>(peak)}};
    if (const std::int64_t steps = steps_of(context.config, stage); steps > 0) {
      timing["step_ms"] = 1e3 * loop_seconds / static_cast<double>(steps);
    }
    save_timing(context.folder, stage, timing);
  });
  log_info("{} done in {:.1f} s", stage_name(stage), seconds);
}

}  // namespace weft
