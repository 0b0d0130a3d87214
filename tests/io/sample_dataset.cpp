#include "sample_dataset.hpp"

#include <algorithm>
#include <functional>

namespace weft {
namespace {

using Value = std::function<float(std::int64_t row, std::int64_t column)>;

std::vector<float> block(std::int64_t first_row, std::int64_t rows, std::int64_t first_column,
                         std::int64_t columns, const Value& value) {
  std::vector<float> values;
  for (std::int64_t row = first_row; row < first_row + rows; ++row) {
    for (std::int64_t column = first_column; column < first_column + columns; ++column) {
      values.push_back(value(row, column));
    }
  }
  return values;
}

float cell(std::int64_t row, std::int64_t column) {
  return static_cast<float>(row) + static_cast<float>(column) / 64;
}

}  // namespace

DatasetInfo sample_info() {
  DatasetInfo info;
  info.frames = 7;
  info.neurons = 11;
  info.dt = 0.25;
  info.trajectory_starts = {0, 3};
  info.has_derivative = true;
  info.has_truth = true;
  info.config = "name: sample\nunit: \u00b5V\n";
  info.config_hash = "0123456789abcdef";
  info.version = "0.1.0 (abc)";
  return info;
}

NeuronTypeTruth sample_types() {
  NeuronTypeTruth truth;
  for (std::int64_t neuron = 0; neuron < sample_info().neurons; ++neuron)
    truth.neuron_type.push_back(neuron / 4);
  truth.parameters = {10, 1, 1, 5, 2, 0.5, 2.5, 4, 0.25};
  return truth;
}

std::vector<float> sample_activity(std::int64_t first_frame, std::int64_t frames, std::int64_t first_neuron,
                                   std::int64_t neurons) {
  return block(first_frame, frames, first_neuron, neurons,
               [](auto row, auto column) { return cell(row, column); });
}

std::vector<float> sample_derivative(std::int64_t first_frame, std::int64_t frames, std::int64_t first_neuron,
                                     std::int64_t neurons) {
  return block(first_frame, frames, first_neuron, neurons,
               [](auto row, auto column) { return -cell(row, column); });
}

std::vector<float> sample_connectivity(std::int64_t first_row, std::int64_t rows) {
  return block(first_row, rows, 0, sample_info().neurons,
               [](auto row, auto column) { return 100 + cell(row, column); });
}

void write_sample_shard(const std::filesystem::path& folder, const DatasetInfo& info,
                        const RowPartition& partition, int shard) {
  const std::int64_t begin = partition.begin(shard);
  const std::int64_t own = partition.size(shard);
  DatasetShardWriter writer(folder, info, partition, shard);
  for (std::int64_t first = 0; first < info.frames; first += 4) {
    const std::int64_t frames = std::min<std::int64_t>(4, info.frames - first);
    const auto derivative =
        info.has_derivative ? sample_derivative(first, frames, begin, own) : std::vector<float>{};
    writer.write_frames(first, sample_activity(first, frames, begin, own), derivative);
  }
  if (info.has_truth) {
    writer.write_true_connectivity(LocalRow{0}, sample_connectivity(begin, 1));
    writer.write_true_connectivity(LocalRow{1}, sample_connectivity(begin + 1, own - 1));
  }
  writer.close();
}

std::filesystem::path write_sample(const std::filesystem::path& folder, const DatasetInfo& info, int shards) {
  const RowPartition partition(info.neurons, shards);
  for (int shard = 0; shard < shards; ++shard) write_sample_shard(folder, info, partition, shard);
  write_dataset_view(folder, info, sample_types(), partition);
  return folder / "activity.h5";
}

}  // namespace weft
