#include "weft/report/figure_data.hpp"

#include <algorithm>
#include <functional>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/io/hdf5.hpp"

namespace weft {
namespace {

/// evaluation.h5, read by the shape that each of its arrays must have.
class EvaluationFile {
 public:
  explicit EvaluationFile(const std::filesystem::path& path) : file_(hdf5::File::open(path)) {}

  bool has(const std::string& name) const { return file_.has_dataset(name); }

  template <hdf5::Number T>
  std::vector<T> vector(const std::string& name) const {
    const hdf5::Dataset dataset = file_.dataset(name);
    check(dataset, dataset.shape().size() == 1 && dataset.shape()[0] > 0, "one axis with a value at least");
    return dataset.read_all<T>();
  }
  template <hdf5::Number T>
  std::vector<T> vector(const std::string& name, std::size_t length) const {
    const hdf5::Dataset dataset = file_.dataset(name);
    const auto expected = static_cast<std::int64_t>(length);
    check(dataset, dataset.shape() == hdf5::Shape{expected}, fmt::format("{} values", expected));
    return dataset.read_all<T>();
  }
  Table table(const std::string& name) const {
    const hdf5::Dataset dataset = file_.dataset(name);
    const hdf5::Shape shape = dataset.shape();
    check(dataset, shape.size() == 2 && shape[0] > 0 && shape[1] > 0, "two axes with a value at least");
    return {shape[0], shape[1], dataset.read_all<double>()};
  }
  Table table(const std::string& name, std::size_t rows, std::size_t columns) const {
    const hdf5::Dataset dataset = file_.dataset(name);
    const hdf5::Shape expected{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)};
    check(dataset, dataset.shape() == expected, fmt::format("{} x {} values", rows, columns));
    return {expected[0], expected[1], dataset.read_all<double>()};
  }
  Table table_of_width(const std::string& name, std::size_t columns) const {
    Table found = table(name);
    check(file_.dataset(name), found.columns == static_cast<std::int64_t>(columns),
          fmt::format("{} values a row", columns));
    return found;
  }
  template <hdf5::Number T>
  T attribute(const std::string& dataset, const std::string& name) const {
    return file_.dataset(dataset).attributes().read<T>(name).at(0);
  }

 private:
  static void check(const hdf5::Dataset& dataset, bool good, const std::string& expected) {
    if (!good)
      throw UserError({dataset.place(), fmt::format("its shape is ({})", fmt::join(dataset.shape(), ", ")),
                       expected, "evaluate the run again"});
  }

  hdf5::File file_;
};

SampleSeries read_series(const EvaluationFile& file) {
  SampleSeries series;
  series.time = file.vector<double>("time_series/time");
  series.neuron = file.vector<std::int64_t>("time_series/neuron");
  series.activity = file.table("time_series/activity", series.time.size(), series.neuron.size());
  return series;
}

ConnectivitySample read_connectivity(const EvaluationFile& file) {
  ConnectivitySample sample;
  sample.index = file.vector<std::int64_t>("connectivity/index");
  sample.learned = file.table("connectivity/learned", sample.index.size(), sample.index.size());
  sample.inset_learned = file.table("connectivity/inset_learned");
  if (!file.has("connectivity/true")) return sample;
  sample.truth = file.table("connectivity/true", sample.index.size(), sample.index.size());
  sample.inset_truth = file.table("connectivity/inset_true");
  return sample;
}

std::optional<WeightComparison> read_comparison(const EvaluationFile& file) {
  if (!file.has("scatter/counts")) return std::nullopt;
  WeightComparison comparison;
  comparison.edges = file.vector<double>("scatter/edges");
  const std::size_t bins = comparison.edges.size() - 1;
  comparison.counts = file.table("scatter/counts", bins, bins);
  comparison.outside = file.attribute<std::int64_t>("scatter/counts", "outside");
  return comparison;
}

Latents read_latents(const EvaluationFile& file) {
  Latents latents;
  latents.cluster = file.vector<std::int64_t>("latents/cluster");
  latents.a = file.table("latents/a", latents.cluster.size(), 2);
  if (file.has("latents/type"))
    latents.type = file.vector<std::int64_t>("latents/type", latents.cluster.size());
  return latents;
}

NeuronFunctions read_phi(const EvaluationFile& file) {
  NeuronFunctions phi;
  phi.x = file.vector<double>("phi/x");
  phi.neuron = file.vector<std::int64_t>("phi/neuron");
  phi.learned = file.table("phi/learned", phi.neuron.size(), phi.x.size());
  if (file.has("phi/true")) phi.truth = file.table("phi/true");
  return phi;
}

SharedFunction read_psi(const EvaluationFile& file) {
  SharedFunction psi;
  psi.x = file.vector<double>("psi/x");
  psi.learned = file.table_of_width("psi/learned", psi.x.size());
  if (file.has("psi/true")) psi.truth = file.vector<double>("psi/true", psi.x.size());
  return psi;
}

/// Those that are numbers, of an array that may be missing.
std::vector<double> numbers_of(const nlohmann::json& group, const char* name) {
  std::vector<double> numbers;
  const nlohmann::json values = group.value(name, nlohmann::json::array());
  for (const nlohmann::json& value : values)
    if (value.is_number()) numbers.push_back(value.get<double>());
  return numbers;
}

}  // namespace

FigureData read_evaluation(const std::filesystem::path& path) {
  const EvaluationFile file(path);
  FigureData data;
  data.series = read_series(file);
  data.connectivity = read_connectivity(file);
  data.comparison = read_comparison(file);
  data.latents = read_latents(file);
  data.phi = read_phi(file);
  data.psi = read_psi(file);
  return data;
}

std::optional<LossCurve> read_loss_history(const std::filesystem::path& root) {
  if (!std::filesystem::exists(root / "latest")) return std::nullopt;
  const Checkpoint checkpoint(latest_checkpoint(root));
  if (!checkpoint.has("history/step")) return std::nullopt;
  LossCurve loss;
  loss.step = checkpoint.read_common("history/step");
  if (loss.step.empty()) return std::nullopt;
  loss.total = checkpoint.read_common("history/loss_total");
  loss.data = checkpoint.read_common("history/loss_data");
  loss.phi_zero = checkpoint.read_common("history/loss_phi_zero");
  loss.psi_monotone = checkpoint.read_common("history/loss_psi_monotone");
  return loss;
}

std::optional<SolverRecord> solver_record(const nlohmann::json& metrics) {
  if (!metrics.contains("solver")) return std::nullopt;
  const nlohmann::json& solver = metrics["solver"];
  SolverRecord record;
  record.psi_residuals = numbers_of(solver, "psi_residuals");
  record.psi_dampings = numbers_of(solver, "psi_dampings");
  record.psi_dampings.resize(record.psi_residuals.size());
  record.row_residuals = numbers_of(solver, "row_residuals");
  const nlohmann::json phases = solver.value("phases", nlohmann::json::array());
  for (const nlohmann::json& phase : phases)
    record.phases.push_back(
        {phase.value("name", ""), phase.value("seconds", 0.0), phase.value("tflop", 0.0)});
  std::ranges::stable_sort(record.phases, std::greater(), &SolverRecord::Phase::seconds);
  return record;
}

}  // namespace weft
