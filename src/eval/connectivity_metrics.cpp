#include "weft/eval/connectivity_metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "weft/comm/sums.hpp"

namespace weft {
namespace {

constexpr std::int64_t kRowsPerBlock = 256;

/// The sums of which all four numbers are made: x true, y learned in the published scale, z in that of the
/// gauge.
enum Sum { count, x, y, xx, yy, xy, off_count, off_x, off_xx, off_error, sums };
using Sums = std::array<double, sums>;

Sums sum_row(const WeightRow& row, std::int64_t columns, std::int64_t diagonal, const Gauge& gauge) {
  const double published = gauge.published_weight_scale() / row.gain;
  const double scale = gauge.weight_scale() / row.gain;
  Sums s{};
  for (std::int64_t column = 0; column < columns; ++column) {
    const double expected = row.truth[column];
    const double raw = column == diagonal ? 0 : row.learned[column];
    const double learned = published * raw;
    const double error = scale * raw - expected;
    s[x] += expected;
    s[y] += learned;
    s[xx] += expected * expected;
    s[yy] += learned * learned;
    s[xy] += expected * learned;
    s[off_error] += error * error;
  }
  const double own = row.truth[diagonal];
  s[count] = static_cast<double>(columns);
  s[off_count] = static_cast<double>(columns - 1);
  s[off_x] = s[x] - own;
  s[off_xx] = s[xx] - own * own;
  s[off_error] -= own * own;
  return s;
}

/// 0 where a variance is nothing but the rounding of its sums.
double variance_sum(double squares, double sum, double n) {
  const double deviations = squares - sum * sum / n;
  return deviations > 1e-14 * squares ? deviations : 0;
}

}  // namespace

void for_each_weight_row(const RecoveredModel& model, const Truth& truth,
                         const std::function<void(const WeightRow&)>& visit) {
  const RowBlock<const float> learned = model.connectivity();
  const NeuronTypeTruth& types = truth.types();
  const std::int64_t begin = model.partition().begin(model.shard());
  std::vector<float> block(std::min(kRowsPerBlock, learned.rows) * learned.columns);
  for (std::int64_t first = 0; first < learned.rows; first += kRowsPerBlock) {
    const std::int64_t rows = std::min(kRowsPerBlock, learned.rows - first);
    truth.read_connectivity(GlobalRow{begin + first}, std::span(block).first(rows * learned.columns));
    for (std::int64_t row = 0; row < rows; ++row) {
      const double gain = types.parameters[3 * types.neuron_type[begin + first + row]];
      if (gain == 0) continue;
      visit({LocalRow{first + row}, gain, learned.data + (first + row) * learned.stride,
             block.data() + row * learned.columns});
    }
  }
}

ConnectivityMetrics compare_connectivity(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                         const Truth& truth) {
  const std::int64_t columns = model.connectivity().columns;
  const std::int64_t begin = model.partition().begin(model.shard());
  Sums s{};
  collectively(rows, [&] {
    for_each_weight_row(model, truth, [&](const WeightRow& row) {
      const Sums own = sum_row(row, columns, begin + index(row.row), gauge);
      for (int i = 0; i < sums; ++i) s[i] += own[i];
    });
  });
  sum_over<double>(rows, s);

  ConnectivityMetrics metrics;
  if (s[count] == 0) return metrics;
  const double true_variance = variance_sum(s[xx], s[x], s[count]);
  const double learned_variance = variance_sum(s[yy], s[y], s[count]);
  const double off_variance = variance_sum(s[off_xx], s[off_x], s[off_count]);
  const double covariance = s[xy] - s[x] * s[y] / s[count];
  if (true_variance > 0 && learned_variance > 0) {
    metrics.r2 = covariance * covariance / (true_variance * learned_variance);
  }
  if (!gauge.scale_known) return metrics;
  if (true_variance > 0) metrics.slope = covariance / true_variance;
  if (off_variance > 0) metrics.r2_strict = 1 - s[off_error] / off_variance;
  if (s[off_xx] > 0) metrics.relative_error = std::sqrt(std::max(0.0, s[off_error]) / s[off_xx]);
  return metrics;
}

}  // namespace weft
