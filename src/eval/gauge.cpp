#include "weft/eval/gauge.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "weft/comm/sums.hpp"
#include "weft/core/activity_scale.hpp"
#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/eval/function_metrics.hpp"

namespace weft {
namespace {

constexpr std::int64_t kValuesPerRead = 1 << 22;
constexpr std::int64_t kPlateauPoints = 1000;
/// A plateau below this fraction of psi's span is rounding.
constexpr double kSmallestPlateau = 1e-6;
/// A psi that changes by more than this fraction over the outer fifth of the window has no plateau to speak
/// of.
constexpr double kLevelEnough = 0.1;

struct ActivitySums {
  double sum = 0, squares = 0;
  double minimum = std::numeric_limits<double>::infinity();
  double maximum = -std::numeric_limits<double>::infinity();
};

ActivitySums sum_own_activity(const Dataset& dataset, std::int64_t first_neuron, std::int64_t neurons) {
  ActivitySums sums;
  const std::int64_t frames = dataset.info().frames;
  const std::int64_t block = std::max<std::int64_t>(1, kValuesPerRead / neurons);
  for (std::int64_t frame = 0; frame < frames; frame += block) {
    const auto activity =
        dataset.read_activity(frame, std::min(block, frames - frame), first_neuron, neurons);
    double sum = 0, squares = 0;
    for (const float value : activity) {
      sum += value;
      squares += static_cast<double>(value) * value;
    }
    const auto [low, high] = std::ranges::minmax(activity);
    sums.sum += sum;
    sums.squares += squares;
    sums.minimum = std::min<double>(sums.minimum, low);
    sums.maximum = std::max<double>(sums.maximum, high);
  }
  return sums;
}

UserError not_finite(const char* what) {
  return UserError(Complaint{.place = "the trained model",
                             .found = fmt::format("{} holds values that are not finite", what),
                             .expected = "finite numbers",
                             .remedy = "train again with lower learning rates"});
}

/// psi's median and variation over the outer fifth of the window, and its span over all of it.
struct PlateauSample {
  double median = 0, variation = 0, span = 0;
};

PlateauSample sample_plateau(const RecoveredModel& model, double xnorm) {
  std::vector<double> plateau = model.psi(linear_grid(0.8 * xnorm, xnorm, kPlateauPoints));
  const std::vector<double> window = model.psi(linear_grid(-xnorm, xnorm, kPlateauPoints));
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!std::ranges::all_of(plateau, finite) || !std::ranges::all_of(window, finite)) throw not_finite("psi");
  std::ranges::sort(plateau);
  const auto [low, high] = std::ranges::minmax(window);
  return {plateau[(kPlateauPoints - 1) / 2], plateau.back() - plateau.front(), high - low};
}

/// Without the diagonal: a neuron's own weight is part of its phi.
std::vector<double> sum_rows(const RecoveredModel& model) {
  const RowBlock<const float> weights = model.connectivity();
  const std::int64_t begin = model.partition().begin(model.shard());
  std::vector<double> sums(weights.rows);
  for (std::int64_t row = 0; row < weights.rows; ++row) {
    const float* values = weights.data + row * weights.stride;
    for (std::int64_t column = 0; column < weights.columns; ++column) {
      if (column != begin + row) sums[row] += values[column];
    }
  }
  return sums;
}

double fit_offset(Communicator& rows, const RecoveredModel& model, std::span<const double> row_sums) {
  const double origin = 0;
  const auto phi_zero = model.phi(LocalRow{0}, std::ssize(row_sums), std::span(&origin, 1));
  std::array<double, 2> products{};
  for (std::size_t row = 0; row < row_sums.size(); ++row) {
    products[0] += phi_zero[row] * row_sums[row];
    products[1] += row_sums[row] * row_sums[row];
  }
  sum_over<double>(rows, products);
  if (!std::isfinite(products[1])) throw not_finite("W");
  if (!std::isfinite(products[0])) throw not_finite("phi");
  return products[1] > 0 ? products[0] / products[1] : 0;
}

void warn_of_plateau(const Gauge& gauge, double xnorm) {
  if (!gauge.scale_known) {
    log_warning("psi has no plateau on [{}, {}]: neither its scale nor that of W can be told", 0.8 * xnorm,
                xnorm);
  } else if (gauge.plateau_variation > kLevelEnough) {
    log_warning(
        "psi still changes by {:.0f} % of its plateau on [{}, {}]: its scale, and so that of W, is uncertain",
        100 * gauge.plateau_variation, 0.8 * xnorm, xnorm);
  }
}

}  // namespace

ActivityStatistics measure_activity(Communicator& rows, const Dataset& dataset,
                                    const RowPartition& partition) {
  const DatasetInfo& info = dataset.info();
  require(info.neurons == partition.rows(), "the dataset has as many neurons as the model");
  ActivitySums own;
  collectively(rows, [&] {
    own = sum_own_activity(dataset, partition.begin(rows.rank()), partition.size(rows.rank()));
  });
  std::array<double, 2> sums{own.sum, own.squares};
  std::array<double, 2> extremes{-own.minimum, own.maximum};
  sum_over<double>(rows, sums);
  rows.all_reduce(std::span<double>(extremes), Reduction::max).wait();
  const double count = static_cast<double>(info.frames) * static_cast<double>(info.neurons);
  const double deviations = std::max(0.0, sums[1] - sums[0] * sums[0] / count);
  const double standard_deviation = std::sqrt(deviations / std::max(1.0, count - 1));
  if (extremes[1] == -extremes[0]) {
    throw UserError(Complaint{.place = dataset.file().string(),
                              .found = fmt::format("every value of the activity is {}", extremes[1]),
                              .expected = "activity that varies",
                              .remedy = "check how the file was made"});
  }
  return {.frames = info.frames,
          .neurons = info.neurons,
          .mean = sums[0] / count,
          .standard_deviation = standard_deviation,
          .minimum = -extremes[0],
          .maximum = extremes[1],
          .xnorm = activity_scale_of(standard_deviation)};
}

Gauge fix_gauge(Communicator& rows, const RecoveredModel& model, double xnorm) {
  Gauge gauge;
  gauge.row_sums = sum_rows(model);
  gauge.psi_offset = fit_offset(rows, model, gauge.row_sums);
  const PlateauSample sample = sample_plateau(model, xnorm);
  gauge.plateau = sample.median;
  const double smallest = std::min(std::abs(gauge.plateau), std::abs(gauge.psi_scale()));
  gauge.scale_known = sample.span > 0 && smallest > kSmallestPlateau * sample.span;
  gauge.plateau_variation = gauge.scale_known ? sample.variation / std::abs(gauge.psi_scale()) : 0;
  if (rows.rank() == 0) warn_of_plateau(gauge, xnorm);
  return gauge;
}

}  // namespace weft
