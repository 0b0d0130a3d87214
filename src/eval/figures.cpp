#include "weft/eval/figures.hpp"

#include <algorithm>
#include <span>

#include "weft/comm/sums.hpp"
#include "weft/eval/function_metrics.hpp"

#include "eval/collect.hpp"

namespace weft {
namespace {

constexpr std::int64_t kMostTimeSeries = 12;
constexpr std::int64_t kMostFrames = 1000;
constexpr std::int64_t kMostConnectivityNeurons = 400;
constexpr std::int64_t kMostPhiNeurons = 1000;

double gain_of(const Truth* truth, std::int64_t neuron) {
  if (truth == nullptr) return 1;
  const NeuronTypeTruth& types = truth->types();
  const double gain = types.parameters[3 * types.neuron_type[neuron]];
  return gain == 0 ? 1 : gain;
}

/// The learned W among the ascending `neurons`. @collective
std::vector<float> learned_block(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                 const Truth* truth, std::span<const std::int64_t> neurons) {
  const RowPartition& partition = model.partition();
  const RowBlock<const float> weights = model.connectivity();
  std::vector<float> own;
  for (const LocalRow row : owned(partition, model.shard(), neurons)) {
    const std::int64_t global = index(partition.global(model.shard(), row));
    const double scale = gauge.published_weight_scale() / gain_of(truth, global);
    for (const std::int64_t column : neurons) {
      own.push_back(static_cast<float>(scale * weights.data[index(row) * weights.stride + column]));
      if (column == global) own.back() = 0;
    }
  }
  return gather_blocks(rows, std::move(own), times(owned_counts(partition, neurons), std::ssize(neurons)));
}

std::vector<float> true_block(const Truth& truth, std::span<const std::int64_t> neurons) {
  std::vector<float> row(truth.types().neuron_type.size());
  std::vector<float> block;
  for (const std::int64_t post : neurons) {
    truth.read_connectivity(GlobalRow{post}, row);
    for (const std::int64_t pre : neurons) block.push_back(row[pre]);
  }
  return block;
}

}  // namespace

TimeSeriesFigure time_series_figure(const Dataset& dataset) {
  const DatasetInfo& info = dataset.info();
  const auto& starts = info.trajectory_starts;
  const std::int64_t trajectory = starts.size() > 1 ? starts[1] : info.frames;
  const std::int64_t frames = std::min(kMostFrames, trajectory);
  TimeSeriesFigure figure;
  figure.neuron = evenly_spaced(info.neurons, kMostTimeSeries);
  for (std::int64_t frame = 0; frame < frames; ++frame)
    figure.time.push_back(static_cast<double>(frame) * info.dt);
  const std::int64_t columns = std::ssize(figure.neuron);
  figure.activity.resize(frames * columns);
  for (std::int64_t column = 0; column < columns; ++column) {
    const auto series = dataset.read_activity(0, frames, figure.neuron[column], 1);
    for (std::int64_t frame = 0; frame < frames; ++frame) {
      figure.activity[frame * columns + column] = series[frame];
    }
  }
  return figure;
}

ConnectivityFigure connectivity_figure(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                       const Truth* truth) {
  const std::int64_t neurons = model.partition().rows();
  const auto first = evenly_spaced(std::min(neurons, kInsetNeurons), kInsetNeurons);
  ConnectivityFigure figure;
  figure.index = evenly_spaced(neurons, kMostConnectivityNeurons);
  figure.learned = learned_block(rows, model, gauge, truth, figure.index);
  figure.inset_learned = learned_block(rows, model, gauge, truth, first);
  collectively(rows, [&] {
    if (truth == nullptr || rows.rank() != 0) return;
    figure.truth = true_block(*truth, figure.index);
    figure.inset_truth = true_block(*truth, first);
  });
  return figure;
}

PhiFigure phi_figure(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                     const NeuronTypeTruth* truth, std::vector<double> x) {
  const RowPartition& partition = model.partition();
  PhiFigure figure;
  figure.x = std::move(x);
  figure.neuron = evenly_spaced(partition.rows(), kMostPhiNeurons);
  std::vector<double> own;
  for (const LocalRow row : owned(partition, model.shard(), figure.neuron)) {
    const auto curve = gauged_phi(model, gauge, row, 1, figure.x);
    own.insert(own.end(), curve.begin(), curve.end());
  }
  figure.learned = gather_blocks(rows, std::move(own),
                                 times(owned_counts(partition, figure.neuron), std::ssize(figure.x)));
  if (truth == nullptr) return figure;
  for (const std::int64_t neuron : figure.neuron) figure.type.push_back(truth->neuron_type[neuron]);
  for (std::int64_t type = 0; type < std::ssize(truth->parameters) / 3; ++type) {
    for (const double point : figure.x) figure.truth.push_back(true_phi(*truth, type, point));
  }
  return figure;
}

}  // namespace weft
