#include "weft/eval/error_bars.hpp"

#include <array>
#include <cmath>

#include "weft/comm/sums.hpp"
#include "weft/eval/connectivity_metrics.hpp"

namespace weft {
namespace {

/// Half the width of a normal distribution's central 95 %, in standard deviations.
constexpr double kNormal95 = 1.96;

/// Weights, the sum of their errors, and how many true ones lie within their intervals.
enum Sum { weights, error, covered, sums };
using Sums = std::array<double, sums>;

/// The factors of the heard columns; what is not heard stays 0.
struct HeardColumns {
  std::vector<double> factor;  ///< (N)
  double sum = 0;
  std::int64_t count = 0;

  explicit HeardColumns(const WeightErrors& errors) : factor(errors.column.size()) {
    for (std::size_t column = 0; column < factor.size(); ++column) {
      if (errors.state[column] != PresynapticState::heard) continue;
      factor[column] = errors.column[column];
      sum += factor[column];
      ++count;
    }
  }
};

/// The part of a row that needs no truth; `scale` is what W is multiplied with.
Sums sum_errors(const HeardColumns& heard, double sigma, double scale, std::int64_t diagonal) {
  const double own = heard.factor[diagonal];
  Sums s{};
  s[weights] = static_cast<double>(heard.count - (own > 0 ? 1 : 0));
  s[error] = std::abs(scale) * sigma * (heard.sum - own);
  return s;
}

double count_covered(const HeardColumns& heard, double sigma, double scale, const WeightRow& row,
                     std::int64_t diagonal) {
  const double reach = kNormal95 * std::abs(scale) * sigma;
  double count = 0;
  for (std::int64_t column = 0; column < std::ssize(heard.factor); ++column) {
    if (heard.factor[column] == 0 || column == diagonal) continue;
    if (std::abs(scale * row.learned[column] - row.truth[column]) <= reach * heard.factor[column]) ++count;
  }
  return count;
}

void add(Sums& total, const Sums& part) {
  for (int i = 0; i < sums; ++i) total[i] += part[i];
}

}  // namespace

ErrorBars measure_error_bars(Communicator& rows, const RecoveredModel& model, const WeightErrors& errors,
                             const Gauge& gauge, const Truth* truth) {
  const HeardColumns heard(errors);
  const std::int64_t begin = model.partition().begin(model.shard());
  Sums total{};
  collectively(rows, [&] {
    if (truth == nullptr) {
      for (std::size_t row = 0; row < errors.row.size(); ++row)
        add(total, sum_errors(heard, errors.row[row], gauge.weight_scale(), begin + row));
      return;
    }
    for_each_weight_row(model, *truth, [&](const WeightRow& row) {
      const double sigma = errors.row[index(row.row)], scale = gauge.weight_scale() / row.gain;
      const std::int64_t diagonal = begin + index(row.row);
      Sums own = sum_errors(heard, sigma, scale, diagonal);
      own[covered] = count_covered(heard, sigma, scale, row, diagonal);
      add(total, own);
    });
  });
  sum_over<double>(rows, total);

  ErrorBars bars;
  if (total[weights] == 0) return bars;
  bars.mean = total[error] / total[weights];
  if (truth != nullptr && gauge.scale_known) bars.coverage_95 = total[covered] / total[weights];
  return bars;
}

}  // namespace weft
