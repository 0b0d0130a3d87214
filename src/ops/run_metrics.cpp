#include "weft/ops/run_metrics.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "weft/comm/mpi_communicator.hpp"
#include "weft/comm/traffic.hpp"
#include "weft/core/error.hpp"
#include "weft/core/phase.hpp"
#include "weft/core/section.hpp"
#include "weft/core/utf8.hpp"
#include "weft/core/version.hpp"
#include "weft/core/wall_clock.hpp"
#include "weft/io/hdf5.hpp"

namespace weft {
namespace {

using prometheus::ClientMetric;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Labels;
using prometheus::MetricFamily;
using prometheus::MetricType;

const double process_began = seconds_since_1970();  // static objects are made as it begins

/// Labels are UTF-8.
RunDescription with_labels(RunDescription run) {
  for (std::string* text : {&run.name, &run.method, &run.config_hash, &run.folder, &run.job})
    *text = as_utf8(*text);
  for (RankSeat& seat : run.ranks)
    for (std::string* text : {&seat.host, &seat.gpu, &seat.uuid}) *text = as_utf8(*text);
  return run;
}

/// HDF5 and MPI are the main thread's.
Labels build_labels() {
  const BuildInfo build = build_info();
  return {{"version", std::string(build.version)}, {"commit", std::string(build.commit)},
          {"torch", std::string(build.torch)},     {"mpi", as_utf8(mpi_library_version())},
          {"hdf5", hdf5::library_version()},       {"cuda", std::string(build.cuda)},
          {"nccl", std::string(build.nccl)}};
}

/// From a tenth of a millisecond to minutes.
prometheus::Histogram::BucketBoundaries step_buckets() {
  prometheus::Histogram::BucketBoundaries bounds;
  for (double decade = 1e-4; decade < 200; decade *= 10)
    for (const double part : {1.0, 2.0, 5.0}) bounds.push_back(part * decade);
  return bounds;
}

/// A family that is put together when somebody looks.
class LookedUp {
 public:
  LookedUp(const char* name, const char* help, MetricType type) {
    family_.name = name;
    family_.help = help;
    family_.type = type;
  }

  LookedUp& add(const Labels& labels, double value) {
    ClientMetric metric;
    for (const auto& [name, text] : labels) metric.label.push_back({name, text});
    if (family_.type == MetricType::Counter) metric.counter.value = value;
    if (family_.type == MetricType::Gauge) metric.gauge.value = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }

  /// Nothing where there are no samples.
  void move_to(std::vector<MetricFamily>& all) {
    if (!family_.metric.empty()) all.push_back(std::move(family_));
  }

 private:
  MetricFamily family_;
};

}  // namespace

class RunMetrics::Impl final : public prometheus::Collectable {
 public:
  Impl(RunDescription run, std::shared_ptr<const RankBoard> board)
      : run_(with_labels(std::move(run))), board_(std::move(board)) {}

  void progress(const Progress& progress);
  void measured(const Measure& measure);
  void diverged();
  void checkpoints(const CheckpointAccount& before, const CheckpointAccount& now);
  std::vector<MetricFamily> Collect() const override;

  void device_memory(std::int64_t used, std::int64_t total) {
    device_used_ = used;
    device_total_ = total;
  }
  void ended(int exit_code) { exit_code_ = exit_code; }
  bool ready() const { return ready_; }

 private:
  void count_steps(const Progress& progress);
  void count_training(std::int64_t steps, double seconds);
  void look_up_run(std::vector<MetricFamily>& all) const;
  void look_up_phases(std::vector<MetricFamily>& all) const;
  void look_up_traffic(std::vector<MetricFamily>& all) const;
  void look_up_ranks(std::vector<MetricFamily>& all) const;
  void look_up_memory(std::vector<MetricFamily>& all, const std::map<int, RankNews>& news) const;

  Family<Gauge>& gauges(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
  }
  Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add({});
  }

  RunDescription run_;
  std::shared_ptr<const RankBoard> board_;
  Labels build_ = build_labels();
  std::atomic<int> exit_code_ = -1;  ///< negative while the run lasts
  std::atomic<bool> ready_ = false;
  std::atomic<std::int64_t> device_used_ = 0;
  std::atomic<std::int64_t> device_total_ = 0;  ///< 0: there is no GPU

  // Those that are told. A gauge appears with its first value.
  prometheus::Registry registry_{prometheus::Registry::InsertBehavior::Merge};
  Family<Gauge>& done_ = gauges("weft_stage_done", "How far the loop of the stage is");
  Family<Gauge>& goal_ = gauges("weft_stage_goal", "Where the loop of the stage ends");
  Counter& steps_ = counter("weft_steps_total", "Steps of the gradient training done by this process");
  Counter& simulated_ = counter("weft_simulated_steps_total", "Steps of the simulation done by this process");
  prometheus::Histogram& step_seconds_ = prometheus::BuildHistogram()
                                             .Name("weft_step_seconds")
                                             .Help("Duration of a step of the gradient training")
                                             .Register(registry_)
                                             .Add({}, step_buckets());
  Counter& nonfinite_losses_ = counter("weft_nonfinite_losses_total", "How often a loss was NaN or infinite");
  Counter& saved_ = counter("weft_checkpoints_total", "Checkpoints that became valid");
  Counter& failed_ = counter("weft_checkpoint_failures_total", "Checkpoints that could not be saved");
  Family<Gauge>& save_seconds_ =
      gauges("weft_checkpoint_seconds", "From the start of the newest valid checkpoint until it was valid");
  Family<Gauge>& saved_at_ =
      gauges("weft_checkpoint_last_success_timestamp_seconds", "When a checkpoint last became valid");
  /// What loops find, by the name of the measure; `label` is what its part is called.
  struct Found {
    const char* name;
    const char* label;
    Family<Gauge>& family;
  };
  const std::vector<Found> found_{
      {"loss", "term",
       gauges("weft_loss", "Loss of the training per neuron, the mean of the last recorded steps")},
      {"gradient_norm", "",
       gauges("weft_gradient_norm", "Euclidean norm of the gradient over all parameters")},
      {"residual_ratio", "",
       gauges("weft_residual_ratio",
              "Root mean square of the closed form's residual over that of the derivative")},
      {"solver_iteration", "",
       gauges("weft_solver_iteration", "Evaluations of psi that the closed form has made")},
      {"connectivity_r2", "",
       gauges("weft_connectivity_r2", "R squared of the recovered against the true connectivity")}};

  struct Last {
    std::string stage;
    std::int64_t done = 0;
    std::chrono::steady_clock::time_point at;
  };
  std::optional<Last> last_;
};

void RunMetrics::Impl::progress(const Progress& progress) {
  const Labels labels{{"stage", progress.stage}, {"unit", progress.unit}};
  done_.Add(labels).Set(static_cast<double>(progress.done));
  goal_.Add(labels).Set(static_cast<double>(progress.total));
  if (last_ && last_->stage == progress.stage && progress.done > last_->done) count_steps(progress);
  last_ = Last{progress.stage, progress.done, std::chrono::steady_clock::now()};
}

/// Of what was done since the last report.
void RunMetrics::Impl::count_steps(const Progress& progress) {
  if (progress.stage == "train") ready_ = true;
  if (progress.unit != "steps") return;
  const std::int64_t steps = progress.done - last_->done;
  if (progress.stage == "simulate") simulated_.Increment(static_cast<double>(steps));
  if (progress.stage != "train") return;
  const auto passed = std::chrono::steady_clock::now() - last_->at;
  count_training(steps, std::chrono::duration<double>(passed).count());
}

void RunMetrics::Impl::count_training(std::int64_t steps, double seconds) {
  steps_.Increment(static_cast<double>(steps));
  for (std::int64_t k = 0; k < steps; ++k) step_seconds_.Observe(seconds / static_cast<double>(steps));
}

void RunMetrics::Impl::diverged() {
  nonfinite_losses_.Increment();
  measured({"loss", "total", std::numeric_limits<double>::quiet_NaN()});
}

void RunMetrics::Impl::measured(const Measure& measure) {
  const auto found = std::ranges::find(found_, measure.name, &Found::name);
  require(found != found_.end(), "a measure that is no metric");
  const Labels labels = measure.part.empty() ? Labels{} : Labels{{found->label, std::string(measure.part)}};
  found->family.Add(labels).Set(measure.value);
}

void RunMetrics::Impl::checkpoints(const CheckpointAccount& before, const CheckpointAccount& now) {
  failed_.Increment(static_cast<double>(now.failures - before.failures));
  if (now.saved == before.saved) return;
  saved_.Increment(static_cast<double>(now.saved - before.saved));
  save_seconds_.Add({}).Set(now.last_seconds);
  saved_at_.Add({}).Set(seconds_since_1970());
}

std::vector<MetricFamily> RunMetrics::Impl::Collect() const {
  std::vector<MetricFamily> all = registry_.Collect();
  look_up_run(all);
  look_up_phases(all);
  look_up_traffic(all);
  look_up_ranks(all);
  return all;
}

void RunMetrics::Impl::look_up_run(std::vector<MetricFamily>& all) const {
  LookedUp("weft_build_info", "What this program was built from", MetricType::Gauge)
      .add(build_, 1)
      .move_to(all);
  LookedUp("weft_run_info", "What this run is", MetricType::Gauge)
      .add({{"name", run_.name},
            {"method", run_.method},
            {"config_hash", run_.config_hash},
            {"run_folder", run_.folder},
            {"slurm_job", run_.job},
            {"ranks", std::to_string(run_.ranks.size())}},
           1)
      .move_to(all);
  LookedUp("weft_run_start_timestamp_seconds", "When this process began", MetricType::Gauge)
      .add({}, process_began)
      .move_to(all);
  LookedUp("weft_checkpoint_interval_seconds", "How often a checkpoint is due; 0: never", MetricType::Gauge)
      .add({}, run_.checkpoint_interval)
      .move_to(all);
  LookedUp("weft_ready", "Whether training has begun: 1 or 0", MetricType::Gauge)
      .add({}, ready_ ? 1 : 0)
      .move_to(all);
  LookedUp stages("weft_stage", "1 for the stage under way", MetricType::Gauge);
  const std::string present = exit_code_ < 0 ? whereabouts().stage : "";
  for (const char* stage : {"simulate", "train", "evaluate", "report"})
    stages.add({{"stage", stage}}, present == stage ? 1 : 0);
  stages.move_to(all);
  if (exit_code_ < 0) return;
  LookedUp("weft_run_exit_code", "How the run ended: 0 done, 75 stopped before the end", MetricType::Gauge)
      .add({}, exit_code_)
      .move_to(all);
}

void RunMetrics::Impl::look_up_phases(std::vector<MetricFamily>& all) const {
  LookedUp phases("weft_phase_seconds_total", "What rank 0 has spent on a kind of work", MetricType::Counter);
  for (const PhaseTime& phase : phase_times()) {
    if (phase.stage.empty()) continue;
    phases.add({{"stage", phase.stage}, {"phase", phase.phase}}, phase.seconds);
  }
  phases.move_to(all);
}

void RunMetrics::Impl::look_up_traffic(std::vector<MetricFamily>& all) const {
  LookedUp bytes("weft_communication_bytes_total", "What rank 0 has handed to collectives",
                 MetricType::Counter);
  const Traffic moved = traffic();
  for (std::size_t k = 0; k < kCollectives; ++k) {
    bytes.add({{"operation", std::string(collective_name(static_cast<Collective>(k)))}},
              static_cast<double>(moved.bytes[k]));
  }
  bytes.move_to(all);
}

void RunMetrics::Impl::look_up_ranks(std::vector<MetricFamily>& all) const {
  LookedUp places("weft_rank_info", "Where a rank runs", MetricType::Gauge);
  for (std::size_t rank = 0; rank < run_.ranks.size(); ++rank) {
    const RankSeat& place = run_.ranks[rank];
    places.add(
        {{"rank", std::to_string(rank)}, {"hostname", place.host}, {"gpu", place.gpu}, {"uuid", place.uuid}},
        1);
  }
  places.move_to(all);

  const std::map<int, RankNews> news = board_->news();
  LookedUp heard("weft_rank_heartbeat_timestamp_seconds", "When rank 0 last heard of a rank",
                 MetricType::Gauge);
  LookedUp steps("weft_rank_step", "The step of its stage that a rank is in", MetricType::Gauge);
  LookedUp seconds("weft_rank_step_seconds",
                   "A rank's own work in a step, without waiting for others or the disk", MetricType::Gauge);
  for (const auto& [rank, of_rank] : news) {
    const Labels labels{{"rank", std::to_string(rank)}};
    heard.add(labels, of_rank.heard_at);
    steps.add(labels, static_cast<double>(of_rank.step));
    if (of_rank.step_seconds) seconds.add(labels, *of_rank.step_seconds);
  }
  heard.move_to(all);
  steps.move_to(all);
  seconds.move_to(all);
  look_up_memory(all, news);
}

void RunMetrics::Impl::look_up_memory(std::vector<MetricFamily>& all,
                                      const std::map<int, RankNews>& news) const {
  LookedUp memory("weft_memory_bytes", "Memory as a rank sees it", MetricType::Gauge);
  const auto add = [&](int rank, const char* kind, std::int64_t bytes) {
    memory.add({{"rank", std::to_string(rank)}, {"kind", kind}}, static_cast<double>(bytes));
  };
  for (const auto& [rank, of_rank] : news) {
    add(rank, "resident", of_rank.memory.resident);
    add(rank, "peak", of_rank.memory.peak);
    add(rank, "machine_available", of_rank.memory.machine_available);
    add(rank, "machine_total", of_rank.memory.machine_total);
  }
  if (device_total_ > 0) {
    add(0, "device_used", device_used_);
    add(0, "device_total", device_total_);
  }
  memory.move_to(all);
}

RunMetrics::RunMetrics(RunDescription run, std::shared_ptr<const RankBoard> board)
    : impl_(std::make_shared<Impl>(std::move(run), std::move(board))) {}

RunMetrics::~RunMetrics() = default;

void RunMetrics::progress(const Progress& progress) { impl_->progress(progress); }

void RunMetrics::measured(std::span<const Measure> found) {
  for (const Measure& measure : found) impl_->measured(measure);
}

void RunMetrics::diverged() { impl_->diverged(); }

void RunMetrics::checkpoints(const CheckpointAccount& before, const CheckpointAccount& now) {
  impl_->checkpoints(before, now);
}

void RunMetrics::device_memory(std::int64_t used, std::int64_t total) { impl_->device_memory(used, total); }

void RunMetrics::ended(int exit_code) { impl_->ended(exit_code); }

bool RunMetrics::ready() const { return impl_->ready(); }

std::string RunMetrics::text() const { return prometheus::TextSerializer().Serialize(impl_->Collect()); }

std::shared_ptr<prometheus::Collectable> RunMetrics::collectable() const { return impl_; }

}  // namespace weft
