#include "app/simulate_stage.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"
#include "weft/core/version.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/checkpoint_saver.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/files.hpp"
#include "weft/sim/neuron_types.hpp"
#include "weft/sim/normal_draws.hpp"
#include "weft/sim/simulator.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

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

/// As checkpoints have it: arrays of one row a neuron.
ModelArrays arrays_of(const SimulationState& state, std::int64_t own) {
  const auto view = [own](const char* name, const auto& values) -> ArrayView {
    return {name, {own, std::ssize(values) / own}, std::span(values)};
  };
  ModelArrays arrays;
  arrays.rows = {view("x", state.x), view("tanh_x", state.tanh_x)};
  if (state.sums.empty()) return arrays;
  arrays.rows.push_back(view("derivative_sum", state.sums));
  arrays.rows.push_back(view("derivative_square_sum", state.squares));
  return arrays;
}

SimulationState load_state(const Checkpoint& checkpoint, const SimulationConfig& config,
                           const OwnNeurons& own) {
  const auto load = [&](const char* name, auto& values, std::int64_t columns) {
    values.resize(static_cast<std::size_t>(own.count * columns));
    checkpoint.read_rows(name, own.first, own.count, std::span(values));
  };
  SimulationState state;
  state.steps = checkpoint.info().step;
  load("x", state.x, config.trajectories);
  load("tanh_x", state.tanh_x, config.trajectories);
  if (!config.derivative_snr_db) return state;
  load("derivative_sum", state.sums, 1);
  load("derivative_square_sum", state.squares, 1);
  return state;
}

/// One simulation with its files.
class SimulationRun {
 public:
  SimulationRun(const StageContext& context, StageControl& control)
      : context_(context),
        world_(context.world),
        control_(control),
        config_(context.config.simulation),
        folder_(context.folder.data_under_way()),
        info_(describe(context.config)),
        simulator_(context.device, context.world, config_, context.config.seed),
        saver_(context.world, context.folder.data_states(), simulator_.partition(), {}) {
    control_.save_with(&saver_, world_.size());
  }

  void begin();
  void go_on(const fs::path& state);
  LoopTime run();

 private:
  const RowPartition& partition() const { return simulator_.partition(); }
  std::int64_t own() const { return partition().size(world_.rank()); }
  void create_shard(const fs::path& folder);
  void reopen_shard();
  void copy_shards(const fs::path& renewed, const CheckpointInfo& info, const SimulationState& state,
                   int shards);
  void take_over_shards(const CheckpointInfo& info, const SimulationState& state, int shards);
  void save(const SimulationState& state);
  void finish();
  void discard_where_nothing_is_saved();

  const StageContext& context_;
  Communicator& world_;
  StageControl& control_;
  const SimulationConfig& config_;
  fs::path folder_;
  DatasetInfo info_;
  Simulator simulator_;
  CheckpointSaver saver_;
  std::optional<DatasetShardWriter> writer_;
  std::int64_t first_step_ = 0;
};

/// This rank's shard of the dataset in `folder`, with its rows of W.
void SimulationRun::create_shard(const fs::path& folder) {
  on_first_rank(world_, [&] {
    remove_tree(folder);
    make_folders(folder / "shards");
  });
  collectively(world_, [&] {
    writer_.emplace(folder, info_, partition(), world_.rank());
    writer_->write_true_connectivity(LocalRow{0}, simulator_.connectivity());
  });
}

void SimulationRun::reopen_shard() {
  collectively(world_, [&] {
    writer_.emplace(DatasetShardWriter::reopen(folder_, info_, partition(), world_.rank()));
  });
}

void SimulationRun::begin() {
  try {
    create_shard(folder_);
  } catch (const UserError&) {
    discard_where_nothing_is_saved();
    throw;
  }
}

/// Makes the shards of this number of ranks, in the folder `renewed`, from those of another number, with
/// their state.
void SimulationRun::copy_shards(const fs::path& renewed, const CheckpointInfo& info,
                                const SimulationState& state, int shards) {
  create_shard(renewed);
  collectively(world_, [&] {
    const RowPartition former(info_.neurons, shards);
    writer_->copy_frames(folder_, former, std::max<std::int64_t>(0, state.steps - config_.burn_in));
    writer_->close();
  });
  const ModelArrays arrays = arrays_of(state, own());
  save_checkpoint(world_, renewed / "checkpoints", info, partition(), arrays.rows, arrays.common);
}

/// Puts shards of this number of ranks in the place of those of another. The former stay until all of them
/// are there; a disk without room for both gets its space back.
void SimulationRun::take_over_shards(const CheckpointInfo& info, const SimulationState& state, int shards) {
  const fs::path renewed = context_.folder.data_resharded();
  try {
    copy_shards(renewed, info, state, shards);
    on_first_rank(world_, [&] { replace_folder(renewed, folder_); });
  } catch (const UserError&) {
    writer_.reset();
    std::error_code ignored;  // what failed is to be heard
    if (world_.rank() == 0) fs::remove_all(renewed, ignored);
    throw;
  }
}

void SimulationRun::go_on(const fs::path& state) {
  const InSection reading(Section::read);
  SimulationState saved;
  CheckpointInfo info;
  int shards = 0;
  collectively(world_, [&] {
    const Checkpoint checkpoint(state);
    info = checkpoint.info();
    saved = load_state(checkpoint, config_,
                       {config_.neurons, GlobalRow{partition().begin(world_.rank())}, own()});
    shards = count_shards(folder_);
  });
  on_first_rank(world_, [&] { remove_tree(context_.folder.data_resharded()); });
  if (shards != world_.size()) take_over_shards(info, saved, shards);
  reopen_shard();
  saver_.continue_from(info);
  log_info("simulate: goes on after step {}", saved.steps);
  first_step_ = saved.steps;
  simulator_.resume(std::move(saved));
}

void SimulationRun::save(const SimulationState& state) {
  collectively(world_, [&] {
    const InSection writing(Section::checkpoint);
    writer_->flush();
  });
  CheckpointInfo info;
  info.step = state.steps;
  info.neurons = info_.neurons;
  info.method = "simulation";
  info.config_hash = info_.config_hash;
  info.version = info_.version;
  info.complete = false;
  control_.save(info, arrays_of(state, own()), /*at_once=*/true);  // the frames to come are HDF5's too
}

/// What a simulation that failed has written may be what filled the disk. Local, for the failure may be that
/// of one rank alone; the others' writers give their space back when they end.
void SimulationRun::discard_where_nothing_is_saved() {
  writer_.reset();
  if (world_.rank() != 0) return;
  try {
    if (!newest_sound_checkpoint(context_.folder.data_states())) remove_tree(folder_);
  } catch (const UserError&) {  // what made the simulation fail is on its way already
  }
}

/// Closes the dataset and gives it its name.
void SimulationRun::finish() {
  collectively(world_, [&] { writer_->close(); });
  on_first_rank(world_, [&] {
    const NeuronTypeTruth truth{
        neuron_types(config_.neurons, static_cast<std::int64_t>(config_.types.size())),
        type_parameters(config_.types)};
    write_dataset_view(folder_, info_, truth, partition());
    replace_folder(folder_, context_.folder.data());
    remove_tree(context_.folder.data() / "checkpoints");  // of the simulation under way
  });
}

LoopTime SimulationRun::run() {
  control_.progress({"simulate", first_step_, config_.burn_in + config_.frames, "steps", ""});
  const auto start = std::chrono::steady_clock::now();
  try {
    simulator_.run(
        [this](std::int64_t first_frame, std::span<const float> activity, std::span<const float> derivative) {
          writer_->write_frames(first_frame, activity, derivative);
        },
        control_, [this](const SimulationState& state) { save(state); });
    const LoopTime time{seconds_since(start), config_.burn_in + config_.frames - first_step_};
    finish();
    return time;
  } catch (const UserError&) {
    discard_where_nothing_is_saved();
    throw;
  }
}

}  // namespace

LoopTime simulate_stage(const StageContext& context, StageControl& control, const fs::path& state) {
  SimulationRun run(context, control);
  if (state.empty()) {
    run.begin();
  } else {
    run.go_on(state);
  }
  return run.run();
}

}  // namespace weft
