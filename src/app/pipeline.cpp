#include "weft/app/pipeline.hpp"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weft/comm/sums.hpp"
#include "weft/config/schema.hpp"
#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/version.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/files.hpp"

#include "app/gpu_check.hpp"
#include "app/show_metrics.hpp"
#include "app/training.hpp"

namespace weft {
namespace {

constexpr Stage kStages[] = {Stage::simulate, Stage::train, Stage::evaluate, Stage::report};

/// What differs, of the keys that a stage's result depends on, between the config saved in the folder and
/// this one: "simulation.neurons is 100 there, 200 here".
std::string differences(const RunFolder& folder, const Config& config, Stage stage) {
  if (!std::filesystem::exists(folder.config())) return "its config.yaml is missing";
  const Config saved = load_config(folder.config());
  std::vector<std::string> found;
  for (const Key& key : config_keys()) {
    if (!matters(config, key, stage)) continue;
    const std::size_t there = item_count(saved, key);
    const std::size_t here = item_count(config, key);
    if (there != here) {
      found.push_back(fmt::format("{} has {} entries there, {} here", key.path, there, here));
      continue;
    }
    for (std::size_t item = 0; item < here; ++item) {
      const std::string old_value = value_text(saved, key, item);
      const std::string new_value = value_text(config, key, item);
      if (old_value != new_value) {
        found.push_back(fmt::format("{} is {} there, {} here", key.path_of(item), old_value, new_value));
      }
    }
  }
  return found.empty() ? "a file that it names has changed" : fmt::format("{}", fmt::join(found, ", "));
}

/// Stages as a text, for broadcast_text.
std::string as_text(const std::vector<Stage>& stages) {
  std::string text;
  for (const Stage stage : stages) text += static_cast<char>(stage);
  return text;
}

std::vector<Stage> as_stages(const std::string& text) {
  std::vector<Stage> stages;
  for (const char letter : text) stages.push_back(static_cast<Stage>(letter));
  return stages;
}

bool to_redo(const Request& request, Stage stage) { return request.redo && *request.redo <= stage; }

/// Whether what comes after a stage is void where it is done. A dataset that was lost is made again as it
/// was.
bool makes_something_new(const Request& request, Stage stage) {
  return stage != Stage::simulate || to_redo(request, stage);
}

[[noreturn]] void throw_missing(const RunFolder& folder, Stage stage) {
  throw UserError(
      {folder.path.string(), fmt::format("the result of `weft {}` is not there", stage_name(stage)),
       "the stages before this one complete",
       fmt::format("run `weft {}` with the same config first, or `weft run`", stage_name(stage))});
}

void check_redo(const Config& config, const Request& request) {
  if (request.redo == Stage::simulate && !config.data.path.empty()) {
    throw UserError({"--redo", "simulate, while data.path names a dataset", "a stage that this config runs",
                     "use --redo train, or leave data.path out"});
  }
  if (!request.redo || (request.first <= *request.redo && *request.redo <= request.last)) return;
  throw UserError({"--redo", stage_name(*request.redo),
                   fmt::format("{}, the stage of this command", stage_name(request.first)),
                   fmt::format("use `weft run --redo {}`", stage_name(*request.redo))});
}

/// Mistakes that can be known before anything is written, a dataset that cannot be used among them.
void check_request(const StageContext& context, const Request& request) {
  const Config& config = context.config;
  const int ranks = context.world.size();
  check_redo(config, request);
  const bool simulated = config.data.path.empty();
  const std::int64_t neurons =
      simulated ? config.simulation.neurons : Dataset(config.data.path).info().neurons;
  if (neurons < ranks) {
    throw UserError({simulated ? "simulation.neurons" : config.data.path.string(),
                     fmt::format("{} neurons for {} ranks", neurons, ranks),
                     "at least one neuron for each rank", "start fewer ranks or take more neurons"});
  }
  if (ranks % config.training.replicas != 0) {
    throw UserError({"training.replicas",
                     fmt::format("{} replicas for {} ranks", config.training.replicas, ranks),
                     "a divisor of the number of ranks", "change training.replicas or the number of ranks"});
  }
  if (request.covers(Stage::train)) check_training(config, context.folder);
}

/// A config.yaml that weft did not write is somebody's own, and would be written over.
void check_ownership(const RunFolder& folder) {
  if (!std::filesystem::exists(folder.config()) || is_resolved(folder.config())) return;
  throw UserError({folder.config().string(), "not written by weft", "a new folder, or one of an earlier run",
                   "use another --output"});
}

/// What the ranks compute on, in lines for the log. @collective
/// @throws UserError on all ranks where a GPU lacks memory for what is to be done.
std::vector<std::string> check_devices(const StageContext& context, const Request& request) {
  if (context.device.is_host())
    return {context.why_host.empty() ? "on the CPU" : "on the CPU: " + context.why_host};
  std::string names;
  collectively(context.world, [&] {
    if (context.world.rank() != 0) return;
    check_ownership(context.folder);
    names = as_text(plan(context.folder, context.config, request));
  });
  return check_gpus(context, as_stages(broadcast_text(context.world, names)));
}

bool is_new(const RunFolder& folder) {
  std::error_code unknown;  // where it cannot be told, making the folder fails and says why
  return std::filesystem::status(folder.path, unknown).type() == std::filesystem::file_type::not_found;
}

/// The newest checkpoint of a stage that is not finished, where it is to be gone on from.
std::filesystem::path state_under_way(const RunFolder& folder, const Config& config, const Request& request,
                                      Stage stage) {
  if (to_redo(request, stage) || request.resume == Resume::never) return {};
  const std::optional<std::filesystem::path> state = newest_sound_checkpoint(states_of(folder, stage));
  if (!state) return {};
  const CheckpointInfo info = Checkpoint(*state).info();
  if (info.complete)
    throw UserError(
        {folder.checkpoints().string(),
         fmt::format("{} is a finished model, what came after it is damaged", state->filename().string()),
         "the finished model as the newest",
         "remove what is damaged to keep the model, or use --redo train"});
  if (info.config_hash == stage_key(config, stage)) return *state;
  throw UserError({folder.path.string(),
                   fmt::format("its {} stage, not finished, belongs to another config: {}", stage_name(stage),
                               differences(folder, config, stage)),
                   "the same config, or a folder of its own",
                   "use --output DIR, or --resume never to begin it anew"});
}

/// Removes what is to be made anew, and what comes after it, also where the keys of that would still match.
void discard_void(const RunFolder& folder, const Request& request, const Work& work) {
  const auto voids = [&](Stage earlier, Stage stage) {
    return earlier < stage && work.includes(earlier) && makes_something_new(request, earlier);
  };
  for (const Stage stage : kStages | std::views::reverse) {
    const bool is_void = work.includes(stage) ||
                         std::ranges::any_of(kStages, [&](Stage earlier) { return voids(earlier, stage); });
    if (is_void && work.state_of(stage).empty()) discard(folder, stage);
  }
}

/// The plan, and a folder ready for it; config.yaml stays as it is where there is nothing to do, for then
/// keys of later stages may differ from those that made what is there.
Work prepare_folder(const StageContext& context, const Request& request) {
  check_ownership(context.folder);
  recover_replaced(context.folder.data_under_way());
  const Work work = work_to_do(context.folder, context.config, request);
  make_folders(context.folder.path / "log");
  log_to_file(context.folder.log());
  if (work.stages.empty()) return work;
  discard_void(context.folder, request, work);
  save_config(context.folder, context.config);
  return work;
}

/// The work of rank 0 on every rank. @collective
Work agreed_work(Communicator& world, const Work& work) {
  Work agreed;
  agreed.stages = as_stages(broadcast_text(world, as_text(work.stages)));
  agreed.simulation = broadcast_text(world, work.simulation.string());
  agreed.training = broadcast_text(world, work.training.string());
  return agreed;
}

/// Between stages, for those without a long loop. @collective @throws Stopped
void stop_before(const StageContext& context, Stage stage) {
  const bool wished = context.stop.reason().has_value();
  if (sum_over(context.world, wished ? 1.0 : 0.0) > 0)
    throw Stopped(fmt::format("before {}", stage_name(stage)));
}

void run_stages(const StageContext& context, const Request& request, const Work& work) {
  for (const Stage stage : kStages) {
    if (!request.covers(stage)) continue;
    if (work.includes(stage)) {
      if (stage != work.stages.front()) stop_before(context, stage);
      run_stage(context, stage, work.state_of(stage));
    } else if (stage == Stage::simulate && !context.config.data.path.empty()) {
      log_info("simulate: not needed, data.path is {}", context.config.data.path.string());
    } else {
      log_info("{}: complete for this config, skipped", stage_name(stage));
    }
  }
}

}  // namespace

std::vector<Stage> plan(const RunFolder& folder, const Config& config, const Request& request) {
  std::vector<Stage> stages;
  bool anew = false;
  for (const Stage stage : kStages) {
    if (stage > request.last) break;
    if (stage == Stage::simulate && !config.data.path.empty()) continue;
    const bool redo = to_redo(request, stage);
    const std::string found = redo ? "" : finished_key(folder, stage);  // what is to go may be damaged
    if (!redo && !found.empty() && found != stage_key(config, stage)) {
      throw UserError({folder.path.string(),
                       fmt::format("its {} stage belongs to another config: {}", stage_name(stage),
                                   differences(folder, config, stage)),
                       "the same config, or a folder of its own",
                       fmt::format("use --output DIR, or --redo {} to replace it", stage_name(stage))});
    }
    const bool finished = !found.empty() && !redo && !anew;
    if (stage < request.first && !finished) throw_missing(folder, stage);
    if (finished) continue;
    stages.push_back(stage);
    anew = anew || makes_something_new(request, stage);
  }
  return stages;
}

bool Work::includes(Stage stage) const { return std::ranges::find(stages, stage) != stages.end(); }

const std::filesystem::path& Work::state_of(Stage stage) const {
  static const std::filesystem::path none;
  if (stage == Stage::simulate) return simulation;
  return stage == Stage::train ? training : none;
}

Work work_to_do(const RunFolder& folder, const Config& config, const Request& request) {
  Work work;
  work.stages = plan(folder, config, request);
  if (work.stages.empty()) return work;
  const Stage first = work.stages.front();
  if (first == Stage::simulate) work.simulation = state_under_way(folder, config, request, first);
  if (work.includes(Stage::train)) work.training = state_under_way(folder, config, request, Stage::train);
  const Stage earliest = config.data.path.empty() ? Stage::simulate : Stage::train;
  const bool begun =
      first > std::max(request.first, earliest) || !work.simulation.empty() || !work.training.empty();
  if (request.resume == Resume::must && first <= Stage::train && !begun)
    throw UserError({"--resume",
                     fmt::format("must, while {} holds nothing to go on from", folder.path.string()),
                     "a run that was begun", "check --output, or leave --resume out"});
  return work;
}

void run_pipeline(StageContext context, const Request& request, const RunView& view, RunHold& hold) {
  Communicator& world = context.world;
  Work work;
  collectively(world, [&] { check_request(context, request); });
  const std::vector<std::string> devices = check_devices(context, request);
  collectively(world, [&] {
    if (world.rank() != 0) return;
    // A mistake leaves no new folder behind: it is planned for before it is made, and again under the lock.
    if (is_new(context.folder)) plan(context.folder, context.config, request);
    make_folders(context.folder.path);
    hold.lock.emplace(context.folder.path);
    work = prepare_folder(context, request);
    if (const auto former = hold.lock->left_behind())
      log_info("the lock of {}, which is gone, is taken over", *former);
  });
  work = agreed_work(world, work);
  log_info("weft {}, {} x {} threads, {}", version_line(),
           world.size() == 1 ? "1 rank" : fmt::format("{} ranks", world.size()), context.threads,
           context.folder.path.string());
  for (const std::string& line : devices) log_info("{}", line);
  show_metrics(context, view, hold.metrics);
  run_stages(context, request, work);
}

void check_verdict(Communicator& world, const RunFolder& folder) {
  collectively(world, [&] {
    if (world.rank() != 0) return;
    const Checkpoint checkpoint(latest_checkpoint(folder.checkpoints()));
    const nlohmann::json found =
        nlohmann::json::parse(checkpoint.info().findings).value("identifiability", nlohmann::json::object());
    if (found.value("verdict", "") != "none") return;
    throw UnidentifiableError(found.at("warnings").at(0).get<std::string>());
  });
}

}  // namespace weft
