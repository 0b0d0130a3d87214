#include "weft/train/training_data.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/sub.h>

#include "weft/comm/sums.hpp"
#include "weft/core/activity_scale.hpp"
#include "weft/core/error.hpp"
#include "weft/core/log.hpp"

namespace weft {
namespace {

// Frames read at a time: about 64 MB, so that a file of many gigabytes is never held twice.
constexpr std::int64_t kBlockNumbers = 1 << 24;

enum class Field { activity, derivative };

at::Tensor read_columns(const Dataset& dataset, Field field, std::int64_t first_neuron,
                        std::int64_t neurons) {
  const std::int64_t frames = dataset.info().frames;
  at::Tensor values = at::empty({frames, neurons}, at::kFloat);
  const std::int64_t block = std::max<std::int64_t>(1, kBlockNumbers / neurons);
  for (std::int64_t first = 0; first < frames; first += block) {
    const std::int64_t count = std::min(block, frames - first);
    const std::vector<float> part = field == Field::activity
                                        ? dataset.read_activity(first, count, first_neuron, neurons)
                                        : dataset.read_derivative(first, count, first_neuron, neurons);
    std::copy(part.begin(), part.end(), values.mutable_data_ptr<float>() + first * neurons);
  }
  return values;
}

std::vector<std::int64_t> all_frames(std::int64_t count) {
  std::vector<std::int64_t> frames(static_cast<std::size_t>(count));
  std::iota(frames.begin(), frames.end(), 0);
  return frames;
}

/// Every frame but the last of each trajectory.
std::vector<std::int64_t> frames_with_successor(const DatasetInfo& info) {
  std::vector<std::int64_t> frames = all_frames(info.frames);
  std::erase_if(frames, [&](std::int64_t frame) {
    return frame + 1 == info.frames ||
           std::binary_search(info.trajectory_starts.begin(), info.trajectory_starts.end(), frame + 1);
  });
  return frames;
}

at::Tensor forward_differences(const at::Tensor& activity, double dt) {
  const std::int64_t frames = activity.size(0);
  at::Tensor derivative = activity.new_zeros(activity.sizes());
  at::Tensor differences = derivative.narrow(0, 0, frames - 1);
  at::sub_out(differences, activity.narrow(0, 1, frames - 1), activity.narrow(0, 0, frames - 1));
  differences.div_(dt);
  return derivative;
}

/// The sum over this shard of (x - centre)^power, in double precision, by parts that stay small.
double central_sum(const at::Tensor& activity, double centre, int power) {
  const std::int64_t frames = activity.size(0);
  const std::int64_t block = std::max<std::int64_t>(1, kBlockNumbers / activity.size(1));
  double sum = 0;
  for (std::int64_t first = 0; first < frames; first += block) {
    const at::Tensor part = activity.narrow(0, first, std::min(block, frames - first)).to(at::kDouble);
    sum += part.sub(centre).pow_(power).sum().item<double>();
  }
  return sum;
}

/// Of the activity of all shards. @collective
double standard_deviation(Communicator& rows, const at::Tensor& activity) {
  std::array<double, 2> sums{static_cast<double>(activity.numel()), central_sum(activity, 0, 1)};
  sum_over(rows, std::span<double>(sums));
  const auto [count, total] = sums;
  const double squares = sum_over(rows, central_sum(activity, total / count, 2));
  return std::sqrt(squares / (count - 1));
}

}  // namespace

TrainingData load_training_data(Communicator& rows, const Dataset& dataset) {
  const DatasetInfo& info = dataset.info();
  if (info.neurons < rows.size()) {
    throw UserError({dataset.file().string(),
                     fmt::format("{} neurons for {} ranks", info.neurons, rows.size()),
                     "at least one neuron for each rank", "start fewer ranks"});
  }
  TrainingData data{RowPartition(info.neurons, rows.size()), rows.rank(), {}, {}, {}, 1};
  data.frames.total = info.frames;
  data.frames.trajectory_starts = info.trajectory_starts;
  data.differences = !info.has_derivative;
  const std::int64_t first = data.partition.begin(data.shard);
  const std::int64_t count = data.partition.size(data.shard);
  collectively(rows, [&] {
    data.activity = read_columns(dataset, Field::activity, first, count);
    if (info.has_derivative) {
      data.derivative = read_columns(dataset, Field::derivative, first, count);
      data.frames.with_derivative = all_frames(info.frames);
    } else {
      data.derivative = forward_differences(data.activity, info.dt);
      data.frames.with_derivative = frames_with_successor(info);
    }
    if (data.frames.with_derivative.empty()) {
      throw UserError(
          {dataset.file().string(),
           fmt::format("{} frames in {} trajectories", info.frames, info.trajectory_starts.size()),
           "two frames or more in a trajectory", "record longer"});
    }
  });
  if (!info.has_derivative && rows.rank() == 0) {
    log_warning(
        "{}: no /derivative; using forward differences (x[t+1] - x[t]) / dt within each trajectory. Noise "
        "that enters at "
        "each step is divided by dt = {} in them",
        dataset.file().string(), info.dt);
  }
  const double deviation = standard_deviation(rows, data.activity);
  if (!(deviation > 0)) {
    throw UserError({dataset.file().string(), "the activity is the same number everywhere",
                     "activity that changes", "check how the dataset was made"});
  }
  data.activity_scale = activity_scale_of(deviation);
  return data;
}

}  // namespace weft
