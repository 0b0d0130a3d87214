#include "weft/eval/evaluation.hpp"

#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"
#include "weft/core/section.hpp"
#include "weft/eval/clustering.hpp"
#include "weft/eval/connectivity_metrics.hpp"
#include "weft/eval/error_bars.hpp"
#include "weft/eval/fitted_parameters.hpp"
#include "weft/eval/function_components.hpp"
#include "weft/eval/function_metrics.hpp"
#include "weft/eval/gauge.hpp"

#include "eval/collect.hpp"

namespace weft {
namespace {

using nlohmann::json;

constexpr std::int64_t kPsiPoints = 1001;
constexpr std::int64_t kPhiPoints = 301;
constexpr std::int64_t kComponentPoints = 61;
constexpr std::int64_t kScatterBins = 300;

class Steps {
 public:
  Steps(RunControl& control, Communicator& rows) : control_(control), rows_(rows) {}
  /// Says that one more step begins. @collective @throws Stopped
  void begin(const char* what) {
    if (ask(control_, rows_) == Wish::stop) throw Stopped(std::string("evaluate, before ") + what);
    tell(what);
    note_step(++done_);
  }
  void end() const { tell(""); }

 private:
  void tell(const char* what) const {
    control_.progress({"evaluate", done_, kSteps, "steps", what});
  }

  static constexpr std::int64_t kSteps = 4;
  RunControl& control_;
  Communicator& rows_;
  std::int64_t done_ = 0;
};

void set(json& group, const char* key, const std::optional<double>& value) {
  if (value) group[key] = *value;
}

json gauge_json(const Gauge& gauge) {
  json group{{"psi_plateau", gauge.plateau}, {"psi_offset", gauge.psi_offset}};
  if (gauge.scale_known) {
    group["psi_scale"] = gauge.psi_scale();
    group["plateau_variation"] = gauge.plateau_variation;
  }
  return group;
}

json connectivity_json(const ConnectivityMetrics& metrics) {
  json group = json::object();
  set(group, "r2", metrics.r2);
  set(group, "slope", metrics.slope);
  set(group, "r2_strict", metrics.r2_strict);
  set(group, "relative_error", metrics.relative_error);
  return group;
}

json phi_json(const PhiErrors& errors) {
  json group{{"rms_error", errors.rms_error}};
  set(group, "relative_rms_error", errors.relative_rms_error);
  return group;
}

std::vector<Latent> gather_latents(Communicator& rows, const RecoveredModel& model) {
  const auto flat = gather_blocks(rows, model.embedding(), times(model.partition().sizes(), 2));
  std::vector<Latent> latents;
  for (std::size_t i = 0; i < flat.size(); i += 2) {
    if (!std::isfinite(flat[i]) || !std::isfinite(flat[i + 1])) {
      throw UserError(Complaint{.place = "the trained model",
                                .found = "the latent of neuron " + std::to_string(i / 2) + " is not finite",
                                .expected = "finite numbers",
                                .remedy = "train again with lower learning rates"});
    }
    latents.push_back({flat[i], flat[i + 1]});
  }
  return latents;
}

json clusters_json(const NeuronTypes& found, const NeuronTypeTruth* truth) {
  json group{{"count", found.clusters.count}};
  set(group, "silhouette", found.silhouette);
  if (truth != nullptr) group["accuracy"] = matched_accuracy(found.clusters, truth->neuron_type);
  return group;
}

json reference_json(const Clustering& reference, const NeuronTypeTruth* truth) {
  json group{{"reference_count", reference.count}};
  if (truth != nullptr) group["reference_accuracy"] = reference_accuracy(reference, truth->neuron_type);
  return group;
}

/// The one part that a single rank does: it needs all neurons' points, and they are few. Sets the clusters of
/// `figure` there. Groups of the metrics. @collective
json cluster_on_first_rank(Communicator& rows, std::span<const Latent> components,
                           const FittedParameters& fitted, LatentFigure& figure, const NeuronTypeTruth* truth,
                           std::uint64_t seed) {
  std::string text;
  collectively(rows, [&] {
    if (rows.rank() != 0) return;
    NeuronTypes by_function = find_neuron_types(components, seed);
    json group = clusters_json(by_function, truth);
    group["latents"] = clusters_json(find_neuron_types(figure.latents, seed), truth);
    group.update(reference_json(reference_clusters(figure.latents), truth));
    figure.cluster = std::move(by_function.clusters.label);
    text = json{{"clusters", group}, {"types", describe_types(fitted, figure.cluster, truth)}}.dump();
  });
  return json::parse(broadcast_text(rows, std::move(text)));
}

json error_bars_json(const ErrorBars& bars) {
  json group = json::object();
  set(group, "mean", bars.mean);
  set(group, "coverage_95", bars.coverage_95);
  return group;
}

/// `error_bars` of the metrics, and the columns of the table that come from the errors. @collective
json evaluate_errors(Communicator& rows, const RecoveredModel& model, const WeightErrors& errors,
                     const Gauge& gauge, const Truth* truth, NeuronTable& table) {
  table.errors = gather_weight_errors(rows, model, errors);
  table.outgoing_error = outgoing_errors(table.errors, gauge);
  return error_bars_json(measure_error_bars(rows, model, errors, gauge, truth));
}

PsiFigure psi_figure(const RecoveredModel& model, const Gauge& gauge, const ActivityStatistics& activity,
                     bool truth_known) {
  PsiFigure figure;
  figure.x = linear_grid(activity.minimum, activity.maximum, kPsiPoints);
  for (std::int64_t group = 0; group < model.psi_groups(); ++group) {
    const std::vector<double> curve = gauged_psi(model, gauge, group, figure.x);
    figure.learned.insert(figure.learned.end(), curve.begin(), curve.end());
  }
  if (!truth_known) return figure;
  for (const double x : figure.x) figure.truth.push_back(true_psi(x));
  return figure;
}

}  // namespace

Evaluation evaluate(Communicator& rows, const RecoveredModel& model, const Dataset& dataset,
                    const Truth* truth, std::uint64_t seed, RunControl& control) {
  require(model.partition().shards() == rows.size() && model.shard() == rows.rank(),
          "the model is sharded over the ranks that evaluate it");
  const NeuronTypeTruth* types = truth == nullptr ? nullptr : &truth->types();
  require(types == nullptr || std::ssize(types->neuron_type) == model.partition().rows(),
          "the truth has as many neurons as the model");
  Steps steps(control, rows);
  Evaluation result;
  json& metrics = result.metrics;
  Figures& figures = result.figures;

  steps.begin("activity");
  const ActivityStatistics activity = measure_activity(rows, dataset, model.partition());
  metrics["data"] = {{"neurons", activity.neurons}, {"frames", activity.frames}, {"xnorm", activity.xnorm}};
  collectively(rows, [&] {
    if (rows.rank() == 0) figures.time_series = time_series_figure(dataset);
  });

  const Gauge gauge = fix_gauge(rows, model, activity.xnorm);
  metrics["gauge"] = gauge_json(gauge);
  figures.xnorm = activity.xnorm;
  figures.psi_scale = gauge.weight_scale();
  figures.psi_offset = gauge.psi_offset;

  steps.begin("connectivity");
  figures.connectivity = connectivity_figure(rows, model, gauge, truth);
  if (truth != nullptr) {
    metrics["connectivity"] = connectivity_json(compare_connectivity(rows, model, gauge, *truth));
    figures.scatter = scatter_weights(rows, model, gauge, *truth, kScatterBins);
  }
  if (const auto errors = model.weight_errors())
    metrics["error_bars"] = evaluate_errors(rows, model, *errors, gauge, truth, result.neurons);

  steps.begin("functions");
  figures.psi = psi_figure(model, gauge, activity, truth != nullptr);
  figures.phi =
      phi_figure(rows, model, gauge, types, linear_grid(-activity.xnorm, activity.xnorm, kPhiPoints));
  if (truth != nullptr) metrics["phi"] = phi_json(compare_phi(rows, model, gauge, *types, figures.phi.x));
  if (truth != nullptr && gauge.scale_known) {
    const PsiErrors errors = compare_psi(figures.psi.x, figures.psi.learned);
    metrics["psi"] = {{"max_error", errors.max_error}, {"rms_error", errors.rms_error}};
  }

  steps.begin("clusters");
  figures.latents.latents = gather_latents(rows, model);
  if (types != nullptr) figures.latents.type = types->neuron_type;
  const auto components =
      function_components(rows, model, gauge, linear_grid(-activity.xnorm, activity.xnorm, kComponentPoints));
  result.neurons.fitted = fit_parameters(rows, model, gauge, activity);
  metrics.update(
      cluster_on_first_rank(rows, components, result.neurons.fitted, figures.latents, types, seed));
  result.neurons.cluster = figures.latents.cluster;
  result.neurons.type = figures.latents.type;
  result.neurons.latents = figures.latents.latents;
  steps.end();
  return result;
}

}  // namespace weft
