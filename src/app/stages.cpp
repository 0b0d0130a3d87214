#include "weft/app/stages.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"
#include "weft/core/version.hpp"
#include "weft/eval/evaluation.hpp"
#include "weft/io/files.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/load_recovered_model.hpp"
#include "weft/ops/host_name.hpp"
#include "weft/ops/memory.hpp"
#include "weft/report/report.hpp"

#include "app/simulate_stage.hpp"
#include "app/stage_control.hpp"
#include "app/train_stage.hpp"

namespace weft {

void on_first_rank(Communicator& world, const std::function<void()>& work) {
  collectively(world, [&] {
    if (world.rank() == 0) work();
  });
}

std::filesystem::path dataset_of(const StageContext& context) {
  return context.config.data.path.empty() ? context.folder.dataset() : context.config.data.path;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

namespace {

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

void tell_fit(StageControl& control, const nlohmann::json& metrics) {
  const nlohmann::json::json_pointer r2("/connectivity/r2");
  if (!metrics.contains(r2)) return;
  const Measure fit{"connectivity_r2", "", metrics.at(r2).get<double>()};
  control.measured(std::span(&fit, 1));
}

void evaluate_model(const StageContext& context, StageControl& control) {
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
      evaluate(world, *model, *dataset, truth ? &*truth : nullptr, context.config.seed, control);
  const double peak = peak_bytes_of_ranks(world);
  on_first_rank(world, [&] {
    make_folders(context.folder.results());
    write_figures(context.folder.figures(), evaluation.figures);
    write_text_atomically(context.folder.neurons(), neurons_csv(evaluation.neurons));
    const nlohmann::json metrics =
        complete_metrics(context, evaluation.metrics, training, dataset->file().string(), peak);
    write_text_atomically(context.folder.metrics(), metrics.dump(2) + "\n");
    tell_fit(control, metrics);
  });
}

void report(const StageContext& context) {
  const InSection writing(Section::checkpoint);
  on_first_rank(context.world,
                [&] { write_report(context.folder.path, stage_key(context.config, Stage::report)); });
}

/// What the stage took in runs that were stopped before its end [s].
double seconds_before(const nlohmann::json& timings, Stage stage) {
  const auto before = timings.find(stage_name(stage));
  return before == timings.end() ? 0 : before->at("seconds").get<double>();
}

/// Notes what a stage took, with what it took before where it was stopped and goes on. @collective
void note_time(const StageContext& context, Stage stage, double seconds, const LoopTime& loop) {
  const double peak = peak_bytes_of_ranks(context.world);
  on_first_rank(context.world, [&] {
    nlohmann::json timing = {{"seconds", seconds + seconds_before(load_timings(context.folder), stage)},
                             {"ranks", context.world.size()},
                             {"threads_per_rank", context.threads},
                             {"peak_bytes_max_rank", static_cast<std::int64_t>(peak)}};
    if (loop.steps > 0) timing["step_ms"] = 1e3 * loop.seconds / static_cast<double>(loop.steps);
    save_timing(context.folder, stage, timing);
  });
}

/// The same where the stage was stopped; that it cannot be written is no reason to say anything but that.
/// @collective
void note_time_of_a_part(const StageContext& context, Stage stage, double seconds) {
  try {
    note_time(context, stage, seconds, {});
  } catch (const UserError& error) {
    if (context.world.rank() == 0) log_warning("{}", error.what());
  }
}

LoopTime do_stage(const StageContext& context, Stage stage, StageControl& control,
                  const std::filesystem::path& state) {
  switch (stage) {
    case Stage::simulate:
      note_stage("simulate");
      return simulate_stage(context, control, state);
    case Stage::train:
      note_stage("train");
      return train_stage(context, control, state);
    case Stage::evaluate:
      note_stage("evaluate");
      evaluate_model(context, control);
      return {};
    case Stage::report:
      note_stage("report");
      report(context);
      return {};
  }
  throw InternalError("an unknown stage");
}

}  // namespace

void run_stage(const StageContext& context, Stage stage, const std::filesystem::path& state) {
  const auto start = std::chrono::steady_clock::now();
  StageControl control(context.world, context.progress, context.stop, context.config.checkpoint,
                       context.metrics);
  try {
    const LoopTime loop = do_stage(context, stage, control, state);
    note_time(context, stage, seconds_since(start), loop);
  } catch (const Stopped&) {
    note_time_of_a_part(context, stage, seconds_since(start));
    throw;
  }
  log_info("{} done in {:.1f} s", stage_name(stage), seconds_since(start));
}

}  // namespace weft
