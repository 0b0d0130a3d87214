#include "made_up_run.hpp"

#include <cmath>
#include <span>
#include <string>

#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

namespace weft {
namespace {

constexpr std::int64_t neurons = 24;
constexpr std::int64_t types = 3;

std::int64_t type_of(std::int64_t neuron) { return neuron * types / neurons; }

template <typename Function>
Table make_table(std::int64_t rows, std::int64_t columns, Function value) {
  Table table{rows, columns, {}};
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < columns; ++column) table.values.push_back(value(row, column));
  return table;
}

double true_weight(std::int64_t post, std::int64_t pre) {
  return post == pre ? 0 : std::sin(static_cast<double>(7 * post + 3 * pre + post * pre));
}

double learned_weight(std::int64_t post, std::int64_t pre) {
  return post == pre ? 0
                     : 1.02 * true_weight(post, pre) + 0.01 * std::cos(static_cast<double>(post - 5 * pre));
}

double true_phi(std::int64_t type, double x) { return -x + static_cast<double>(type) * std::tanh(x); }

SampleSeries made_up_series() {
  SampleSeries series;
  for (int frame = 0; frame < 60; ++frame) series.time.push_back(0.01 * frame);
  series.neuron = {0, 7, 13, 23};
  series.activity = make_table(60, 4, [](std::int64_t frame, std::int64_t trace) {
    return 3 * std::sin(0.2 * static_cast<double>(frame) + static_cast<double>(trace)) +
           static_cast<double>(trace);
  });
  return series;
}

ConnectivitySample made_up_connectivity(bool with_truth) {
  ConnectivitySample sample;
  for (std::int64_t neuron = 0; neuron < neurons; ++neuron) sample.index.push_back(neuron);
  sample.learned = make_table(neurons, neurons, learned_weight);
  sample.inset_learned = make_table(20, 20, learned_weight);
  if (!with_truth) return sample;
  sample.truth = make_table(neurons, neurons, true_weight);
  sample.inset_truth = make_table(20, 20, true_weight);
  return sample;
}

WeightComparison made_up_comparison() {
  constexpr std::int64_t bins = 30;
  WeightComparison comparison;
  for (std::int64_t edge = 0; edge <= bins; ++edge)
    comparison.edges.push_back(-1.2 + 0.08 * static_cast<double>(edge));
  comparison.outside = 17;
  comparison.counts = make_table(bins, bins, [](std::int64_t learned, std::int64_t truth) {
    return std::floor(1000 * std::exp(-static_cast<double>((learned - truth) * (learned - truth))));
  });
  return comparison;
}

Latents made_up_latents(bool with_truth) {
  Latents latents;
  latents.a = make_table(neurons, 2, [](std::int64_t neuron, std::int64_t axis) {
    return std::cos(2.1 * static_cast<double>(type_of(neuron)) + 1.6 * static_cast<double>(axis)) +
           0.01 * std::sin(static_cast<double>(9 * neuron + axis));
  });
  for (std::int64_t neuron = 0; neuron < neurons; ++neuron) {
    latents.cluster.push_back((type_of(neuron) + 1) % types);
    if (with_truth) latents.type.push_back(type_of(neuron));
  }
  return latents;
}

NeuronFunctions made_up_phi(bool with_truth) {
  NeuronFunctions phi;
  for (int point = 0; point <= 60; ++point) phi.x.push_back(-6 + 0.2 * point);
  phi.neuron = {1, 4, 9, 12, 16, 20};
  const auto x = [&](std::int64_t point) { return phi.x[static_cast<std::size_t>(point)]; };
  phi.learned = make_table(6, 61, [&](std::int64_t curve, std::int64_t point) {
    return 1.01 * true_phi(type_of(phi.neuron[static_cast<std::size_t>(curve)]), x(point));
  });
  if (with_truth)
    phi.truth = make_table(types, 61,
                           [&](std::int64_t type, std::int64_t point) { return true_phi(type, x(point)); });
  return phi;
}

SharedFunction made_up_psi(bool with_truth) {
  SharedFunction psi;
  for (int point = 0; point <= 60; ++point) {
    const double x = -7 + 0.25 * point;
    psi.x.push_back(x);
    if (with_truth) psi.truth.push_back(std::tanh(x));
  }
  psi.learned = make_table(1, 61, [&](std::int64_t, std::int64_t point) {
    return std::tanh(0.97 * psi.x[static_cast<std::size_t>(point)]);
  });
  return psi;
}

LossCurve made_up_loss() {
  LossCurve loss;
  for (int record = 0; record < 50; ++record) {
    loss.step.push_back(10 * record);
    loss.data.push_back(100 * std::exp(-0.1 * record) + 1);
    loss.phi_zero.push_back(2 * std::exp(-0.05 * record));
    loss.psi_monotone.push_back(0);
    loss.total.push_back(loss.data.back() + loss.phi_zero.back());
  }
  return loss;
}

template <hdf5::Number T>
void put(const hdf5::File& file, const std::string& name, const std::vector<T>& values) {
  const hdf5::Shape shape{static_cast<std::int64_t>(values.size())};
  file.create_dataset<T>(name, shape).write({0}, shape, std::span<const T>(values));
}

void put(const hdf5::File& file, const std::string& name, const Table& table) {
  if (table.empty()) return;
  const hdf5::Shape shape{table.rows, table.columns};
  file.create_dataset<double>(name, shape).write({0, 0}, shape, std::span<const double>(table.values));
}

ArrayView view(const std::string& name, const std::vector<double>& values) {
  return {name, {static_cast<std::int64_t>(values.size())}, std::span<const double>(values)};
}

}  // namespace

FigureData made_up_figures(bool with_truth) {
  FigureData data;
  data.series = made_up_series();
  data.connectivity = made_up_connectivity(with_truth);
  if (with_truth) data.comparison = made_up_comparison();
  data.latents = made_up_latents(with_truth);
  data.phi = made_up_phi(with_truth);
  data.psi = made_up_psi(with_truth);
  data.loss = made_up_loss();
  data.scale = {7, 0.02};
  return data;
}

SolverRecord made_up_solver() {
  SolverRecord solver;
  solver.psi_residuals = {0.4, 0.11, 0.17, 0.03, 4e-3, 6e-4, 8e-5, 2e-5, 1.7e-5};
  solver.psi_dampings = {1e-3, 1e-3, 1e-4, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7};
  solver.row_residuals = {1.9e-5, 3.1e-6};
  solver.phases = {{"rows: Gram_matrix", 12.5, 1}, {"psi: splines", 4.2, 0}, {"factorisation", 2.25, 0.17}};
  return solver;
}

void write_evaluation(const std::filesystem::path& path, const FigureData& data) {
  hdf5::File file = hdf5::File::create(path);
  put(file, "time_series/time", data.series.time);
  put(file, "time_series/neuron", data.series.neuron);
  put(file, "time_series/activity", data.series.activity);
  put(file, "connectivity/index", data.connectivity.index);
  put(file, "connectivity/learned", data.connectivity.learned);
  put(file, "connectivity/inset_learned", data.connectivity.inset_learned);
  put(file, "connectivity/true", data.connectivity.truth);
  put(file, "connectivity/inset_true", data.connectivity.inset_truth);
  if (data.comparison) {
    put(file, "scatter/edges", data.comparison->edges);
    put(file, "scatter/counts", data.comparison->counts);
    file.dataset("scatter/counts").attributes().write("outside", data.comparison->outside);
  }
  put(file, "latents/a", data.latents.a);
  put(file, "latents/cluster", data.latents.cluster);
  if (!data.latents.type.empty()) put(file, "latents/type", data.latents.type);
  put(file, "phi/x", data.phi.x);
  put(file, "phi/neuron", data.phi.neuron);
  put(file, "phi/learned", data.phi.learned);
  put(file, "phi/true", data.phi.truth);
  put(file, "psi/x", data.psi.x);
  put(file, "psi/learned", data.psi.learned);
  if (!data.psi.truth.empty()) put(file, "psi/true", data.psi.truth);
  file.close();
}

void write_loss_checkpoint(const std::filesystem::path& root, const LossCurve& loss) {
  const auto alone = make_self_communicator();
  const std::vector<double> weights(neurons, 1);
  const std::vector<ArrayView> rows{view("weights", weights)};
  const std::vector<ArrayView> common{view("history/step", loss.step), view("history/loss_total", loss.total),
                                      view("history/loss_data", loss.data),
                                      view("history/loss_phi_zero", loss.phi_zero),
                                      view("history/loss_psi_monotone", loss.psi_monotone)};
  CheckpointInfo info;
  info.step = 490;
  info.neurons = neurons;
  info.method = "adam";
  std::filesystem::create_directories(root);
  save_checkpoint(*alone, root, info, RowPartition(neurons, 1), rows, common);
}

void write_run(const std::filesystem::path& folder, bool with_truth) {
  const FigureData data = made_up_figures(with_truth);
  std::filesystem::create_directories(folder / "results");
  write_evaluation(folder / "results" / "evaluation.h5", data);
  write_loss_checkpoint(folder / "checkpoints", *data.loss);
  const std::string truth_metrics =
      R"("connectivity": {"r2": 0.99871, "slope": 1.0203, "r2_strict": 0.9956, "relative_error": 0.03}, )";
  write_text_atomically(folder / "results" / "metrics.json",
                        R"({"name": "name <i>\"R&D\"</i>", )" + (with_truth ? truth_metrics : std::string()) +
                            R"("clusters": {"count": 3, "silhouette": 0.97}, "data": {"xnorm": 7},
                            "gauge": {"plateau_variation": 0.31}, "timing": {"train_s": 12.5},
                            "memory": {"peak_bytes_max_rank": 1610612736}, "provenance": {"version": "9.9"}})");
  write_text_atomically(folder / "config.yaml", "name: x # </pre><script>alert(1)</script>\nseed: 42\n");
}

}  // namespace weft
