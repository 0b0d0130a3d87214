#include "app/training.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/group_file.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/train/adam_trainer.hpp"
#include "weft/train/frame_choice.hpp"
#include "weft/train/identifiability.hpp"
#include "weft/train/varpro_solver.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// What a training will find, before there is a dataset where it is to be simulated.
struct DataInView {
  std::string place;  ///< the key or file that a complaint names
  std::int64_t neurons = 0;
  std::int64_t frames = 0;         ///< those with a derivative
  std::int64_t fitted_frames = 0;  ///< those that the closed form does not hold out
  std::int64_t types = 0;          ///< of neurons; 0: unknown
};

DataInView simulated_data(const SimulationConfig& simulation) {
  const std::int64_t fitted = simulation.frames - held_out_frames(simulation.frames);
  return {"simulation.frames", simulation.neurons, simulation.trajectories * simulation.frames,
          simulation.trajectories * fitted, std::ssize(simulation.types)};
}

DataInView recorded_data(const fs::path& file) {
  const DatasetInfo info = Dataset(file).info();
  // Differences leave the last frame of each trajectory without a derivative.
  const std::int64_t unused = info.has_derivative ? 0 : std::ssize(info.trajectory_starts);
  DataInView data{file.string(), info.neurons, info.frames - unused, info.frames, 0};
  for (std::size_t k = 0; k < info.trajectory_starts.size(); ++k) {
    const bool is_last = k + 1 == info.trajectory_starts.size();
    const std::int64_t end = is_last ? info.frames : info.trajectory_starts[k + 1];
    data.fitted_frames -= std::max(held_out_frames(end - info.trajectory_starts[k]), unused > 0 ? 1l : 0l);
  }
  if (info.has_truth) data.types = std::ssize(Truth(file).types().parameters) / 3;
  return data;
}

DataInView data_in_view(const Config& config) {
  return config.data.path.empty() ? simulated_data(config.simulation) : recorded_data(config.data.path);
}

/// The types of the truth, numbered without gaps.
std::vector<std::int64_t> groups_by_type(const fs::path& dataset) {
  std::vector<std::int64_t> groups = Truth(dataset).types().neuron_type;
  std::vector<std::int64_t> present = groups;
  std::ranges::sort(present);
  const auto doubles = std::ranges::unique(present);
  present.erase(doubles.begin(), doubles.end());
  for (std::int64_t& group : groups) group = std::ranges::lower_bound(present, group) - present.begin();
  return groups;
}

void check_adam(const TrainingConfig& training, const DataInView& data, const RunFolder& folder) {
  if (!training.psi_groups.empty()) {
    throw UserError({"training.psi_groups", training.psi_groups.string() + ", while training.method is adam",
                     "one psi for all neurons", "set training.method: varpro, or leave it out"});
  }
  if (training.initial_model.empty()) return;
  const Checkpoint checkpoint(initial_checkpoint(training.initial_model));
  if (checkpoint.info().neurons != data.neurons) {
    throw UserError(
        {"training.initial_model",
         fmt::format("{} has {} neurons", training.initial_model.string(), checkpoint.info().neurons),
         fmt::format("{}, as {}", data.neurons, data.place), "name another model"});
  }
  std::error_code unknown;  // a run that is not there yet is another one
  if (fs::equivalent(checkpoint.folder().parent_path(), folder.checkpoints(), unknown)) {
    throw UserError({"training.initial_model",
                     training.initial_model.string() + " is this run, whose model the training replaces",
                     "the model of another run", "use another --output"});
  }
}

void check_splines(const char* key, std::int64_t splines, const DataInView& data) {
  if (splines < data.frames) return;
  throw UserError({key, fmt::format("{} splines for {} frames", splines, data.frames),
                   "fewer splines than frames", "lower it, or record more frames"});
}

/// How many groups have a psi each.
std::int64_t count_groups(const TrainingConfig& training, const DataInView& data) {
  if (training.psi_groups.empty()) return 1;
  if (const fs::path file = group_file(training); !file.empty()) {
    return 1 + std::ranges::max(read_group_file(file, data.neurons));
  }
  if (data.types > 0) return data.types;
  throw UserError({"training.psi_groups", fmt::format("types, which {} does not hold", data.place),
                   "a dataset with /truth", "name a file with a group for each neuron"});
}

/// Each row of W and its phi are fitted to one number a frame: with no more frames than unknowns the residual
/// is 0 whatever the wiring. The closed form looks again when it knows which frames it holds out.
void check_frames(const TrainingConfig& training, const DataInView& data, std::int64_t groups) {
  const std::int64_t needed =
      fewest_frames(data.neurons, training.phi_splines, groups * training.psi_splines);
  if (data.fitted_frames >= needed) return;
  throw UnidentifiableError(
      {data.place,
       fmt::format("{} frames to fit (a fiftieth is held out) for {} neurons and {} splines of phi",
                   data.fitted_frames, data.neurons, training.phi_splines),
       fmt::format("at least {} frames, better {}", needed, needed * 5 / 4), "record more frames"});
}

void check_varpro(const TrainingConfig& training, const DataInView& data) {
  if (!training.initial_model.empty()) {
    throw UserError(
        {"training.initial_model", training.initial_model.string() + ", while training.method is varpro",
         "no initial model: the closed form needs none", "set training.method: adam, or leave it out"});
  }
  if (data.neurons < 2) {
    throw UserError({data.place, "one neuron", "two neurons at least: there is no wiring to recover in one",
                     "take more neurons"});
  }
  const std::int64_t groups = count_groups(training, data);
  check_splines("training.psi_splines", training.psi_splines, data);
  check_splines("training.phi_splines", training.phi_splines, data);
  check_frames(training, data, groups);
}

SignalGnn start_model(const ProcessGrid& grid, const Config& config, const RowPartition& partition) {
  const fs::path& model = config.training.initial_model;
  if (model.empty()) return SignalGnn::initial(partition, grid.shard(), config.seed, at::kFloat);
  SignalGnn loaded = SignalGnn::empty(partition, grid.shard(), at::kFloat);
  collectively(grid.world(), [&] {
    loaded = load_signal_gnn(Checkpoint(initial_checkpoint(model)), partition, grid.shard());
  });
  return loaded;
}

}  // namespace

std::string method_name(TrainingMethod method) {
  switch (method) {
    case TrainingMethod::adam:
      return "adam";
    case TrainingMethod::varpro:
      return "varpro";
  }
  throw InternalError("an unknown training method");
}

DataSize data_size(const Config& config) {
  const DataInView data = data_in_view(config);
  return {data.neurons, data.frames, data.fitted_frames, count_groups(config.training, data)};
}

void check_training(const Config& config, const RunFolder& folder) {
  const DataInView data = data_in_view(config);
  if (config.training.method == TrainingMethod::adam) return check_adam(config.training, data, folder);
  check_varpro(config.training, data);
}

std::vector<std::int64_t> psi_groups(const TrainingConfig& training, const fs::path& dataset,
                                     std::int64_t neurons) {
  if (training.psi_groups.empty()) return {};
  const fs::path file = group_file(training);
  return file.empty() ? groups_by_type(dataset) : read_group_file(file, neurons);
}

std::unique_ptr<Trainer> make_trainer(Device& device, const ProcessGrid& grid, const Config& config,
                                      std::vector<std::int64_t> groups, TrainingData data) {
  if (config.training.method == TrainingMethod::varpro) {
    return std::make_unique<VarproSolver>(device, grid, std::move(data), config.training, std::move(groups),
                                          config.seed);
  }
  SignalGnn model = start_model(grid, config, data.partition);
  return std::make_unique<AdamTrainer>(device, grid, std::move(data), std::move(model), config.training,
                                       config.seed);
}

}  // namespace weft
