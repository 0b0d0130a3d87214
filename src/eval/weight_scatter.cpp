#include "weft/eval/weight_scatter.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "weft/comm/sums.hpp"
#include "weft/eval/connectivity_metrics.hpp"
#include "weft/eval/function_metrics.hpp"

namespace weft {
namespace {

constexpr double kShownFraction = 0.9999;

/// Magnitudes counted by the leading bits of their float: every power of two has 16 bins.
class MagnitudeHistogram {
 public:
  void add(float value) { ++counts_[std::bit_cast<std::uint32_t>(std::abs(value)) >> dropped_bits]; }
  std::span<std::int64_t> counts() { return counts_; }

  /// The upper edge of the bin that holds this quantile.
  double quantile(double fraction) const {
    std::int64_t total = 0;
    for (const std::int64_t count : counts_) total += count;
    std::int64_t below = 0;
    std::uint32_t bin = 0;
    while (bin < last_finite_bin) {
      below += counts_[bin];
      if (static_cast<double>(below) >= fraction * static_cast<double>(total)) break;
      ++bin;
    }
    return bin == 0 ? 0 : std::bit_cast<float>((bin + 1) << dropped_bits);
  }

 private:
  static constexpr int dropped_bits = 19;
  static constexpr std::uint32_t last_finite_bin = (0x7f800000u >> dropped_bits) - 2;
  std::vector<std::int64_t> counts_ = std::vector<std::int64_t>((0x7fffffffu >> dropped_bits) + 1);
};

/// Calls visit(learned, true) for every pair off the diagonal of this rank's rows.
template <typename Visit>
void for_each_pair(const RecoveredModel& model, const Gauge& gauge, const Truth& truth, Visit visit) {
  const std::int64_t columns = model.connectivity().columns;
  const std::int64_t begin = model.partition().begin(model.shard());
  for_each_weight_row(model, truth, [&](const WeightRow& row) {
    const double scale = gauge.published_weight_scale() / row.gain;
    const std::int64_t diagonal = begin + index(row.row);
    for (std::int64_t column = 0; column < columns; ++column) {
      if (column != diagonal) visit(scale * row.learned[column], static_cast<double>(row.truth[column]));
    }
  });
}

double shown_limit(Communicator& rows, const RecoveredModel& model, const Gauge& gauge, const Truth& truth) {
  MagnitudeHistogram learned;
  double largest_true = 0;
  collectively(rows, [&] {
    for_each_pair(model, gauge, truth, [&](double learned_weight, double true_weight) {
      learned.add(static_cast<float>(learned_weight));
      largest_true = std::max(largest_true, std::abs(true_weight));
    });
  });
  sum_over(rows, learned.counts());
  rows.all_reduce(std::span<double>(&largest_true, 1), Reduction::max).wait();
  const double limit = std::max(largest_true, learned.quantile(kShownFraction));
  return limit > 0 ? limit : 1;
}

}  // namespace

WeightScatter scatter_weights(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                              const Truth& truth, std::int64_t bins) {
  const double limit = shown_limit(rows, model, gauge, truth);
  const auto bin = [&](double weight) {
    const double place = (weight / limit + 1) / 2 * static_cast<double>(bins);
    return std::min(static_cast<std::int64_t>(place), bins - 1);
  };
  // The last element counts the pairs outside.
  std::vector<std::int64_t> counts(bins * bins + 1);
  collectively(rows, [&] {
    for_each_pair(model, gauge, truth, [&](double learned, double true_weight) {
      const bool shown = std::abs(learned) <= limit && std::abs(true_weight) <= limit;
      ++counts[shown ? bin(learned) * bins + bin(true_weight) : bins * bins];
    });
  });
  sum_over<std::int64_t>(rows, counts);

  WeightScatter scatter{
      .edges = linear_grid(-limit, limit, bins + 1), .counts = {}, .outside = counts.back()};
  counts.pop_back();
  scatter.counts = std::move(counts);
  return scatter;
}

}  // namespace weft
