#include "weft/eval/fitted_parameters.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "weft/comm/sums.hpp"
#include "weft/eval/clustering.hpp"
#include "weft/eval/function_metrics.hpp"

namespace weft {
namespace {

using nlohmann::json;

constexpr std::int64_t kPoints = 301;
constexpr std::int64_t kNeuronsPerBlock = 256;
/// 1 - the squared cosine between x and psi(x), below which they are one direction.
constexpr double kSmallestAngle = 1e-9;

/// The fit of a curve by the two functions -x and psi(x), at fixed points with fixed weights.
class Fit {
 public:
  Fit(const RecoveredModel& model, const Gauge& gauge, const ActivityStatistics& activity)
      : x_(linear_grid(-activity.xnorm, activity.xnorm, kPoints)), psi_(gauged_psi(model, gauge, 0, x_)) {
    for (std::int64_t p = 0; p < kPoints; ++p) {
      const double deviation = (x_[p] - activity.mean) / activity.standard_deviation;
      weight_.push_back(std::exp(-0.5 * deviation * deviation));
      xx_ += weight_[p] * x_[p] * x_[p];
      xpsi_ -= weight_[p] * x_[p] * psi_[p];
      psipsi_ += weight_[p] * psi_[p] * psi_[p];
    }
  }

  const std::vector<double>& x() const { return x_; }
  bool determined() const { return determinant() > kSmallestAngle * xx_ * psipsi_; }

  struct Result {
    double rate, self_coupling, misfit;
  };
  Result operator()(std::span<const double> phi) const {
    double x = 0, psi = 0, squares = 0;
    for (std::int64_t p = 0; p < kPoints; ++p) {
      x -= weight_[p] * x_[p] * phi[p];
      psi += weight_[p] * psi_[p] * phi[p];
      squares += weight_[p] * phi[p] * phi[p];
    }
    const double rate = (x * psipsi_ - psi * xpsi_) / determinant();
    const double coupling = (psi * xx_ - x * xpsi_) / determinant();
    return {rate, coupling, squares > 0 ? std::sqrt(left_over(phi, rate, coupling) / squares) : 0};
  }

 private:
  double determinant() const { return xx_ * psipsi_ - xpsi_ * xpsi_; }
  double left_over(std::span<const double> phi, double rate, double coupling) const {
    double sum = 0;
    for (std::int64_t p = 0; p < kPoints; ++p) {
      const double rest = phi[p] + rate * x_[p] - coupling * psi_[p];
      sum += weight_[p] * rest * rest;
    }
    return sum;
  }

  std::vector<double> x_, psi_, weight_;
  double xx_ = 0, xpsi_ = 0, psipsi_ = 0;  ///< products of -x and psi
};

/// Of values of one cluster; the errors are absent for a single value.
struct Mean {
  double value = 0;
  std::optional<double> error;   ///< the standard error of the mean
  std::optional<double> spread;  ///< the standard deviation

  explicit Mean(std::span<const double> values) {
    const auto count = static_cast<double>(values.size());
    for (const double own : values) value += own / count;
    if (count < 2) return;
    double squares = 0;
    for (const double own : values) squares += (own - value) * (own - value);
    spread = std::sqrt(squares / (count - 1));
    error = *spread / std::sqrt(count);
  }
};

std::vector<double> values_of(std::span<const double> values, std::span<const std::int64_t> cluster,
                              std::int64_t number) {
  std::vector<double> own;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (cluster[i] == number) own.push_back(values[i]);
  return own;
}

/// A quantity with its errors, multiplied with `factor`.
void put(json& group, const std::string& name, double value, const Mean& mean, double factor) {
  group[name] = value;
  if (mean.error) group[name + "_error"] = factor * *mean.error;
  if (mean.spread) group[name + "_spread"] = factor * *mean.spread;
}

json describe_cluster(const FittedParameters& fitted, std::span<const std::int64_t> cluster,
                      std::int64_t number) {
  json group{{"cluster", number}, {"neurons", std::ranges::count(cluster, number)}};
  if (fitted.empty()) return group;
  // The rate is what the fit is linear in: its mean does not blow up where a neuron's rate is near 0.
  const Mean rate(values_of(fitted.rate, cluster, number));
  const Mean coupling(values_of(fitted.self_coupling, cluster, number));
  if (rate.value > 0) put(group, "tau", 1 / rate.value, rate, 1 / (rate.value * rate.value));
  put(group, "s", coupling.value, coupling, 1);
  group["misfit"] = Mean(values_of(fitted.misfit, cluster, number)).value;
  return group;
}

/// The true type of each cluster, -1 without one.
std::vector<std::int64_t> true_types(std::span<const std::int64_t> cluster, std::int64_t clusters,
                                     const NeuronTypeTruth& truth) {
  const std::int64_t types = std::ssize(truth.parameters) / 3;
  std::vector<std::int64_t> table(clusters * types);
  for (std::size_t i = 0; i < cluster.size(); ++i) ++table[cluster[i] * types + truth.neuron_type[i]];
  return best_matching(table, clusters, types);
}

void add_truth(json& group, std::int64_t type, const NeuronTypeTruth& truth) {
  if (type < 0) return;
  group["true_type"] = type;
  group["true_s"] = truth.parameters[3 * type + 1];
  if (const double rate = truth.parameters[3 * type + 2]; rate > 0) group["true_tau"] = 1 / rate;
}

}  // namespace

FittedParameters fit_parameters(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                const ActivityStatistics& activity) {
  const Fit fit(model, gauge, activity);
  if (!gauge.scale_known || !fit.determined()) return {};
  const std::int64_t own = model.partition().size(model.shard());
  FittedParameters found;
  for (std::int64_t first = 0; first < own; first += kNeuronsPerBlock) {
    const std::int64_t count = std::min(kNeuronsPerBlock, own - first);
    const std::vector<double> phi = gauged_phi(model, gauge, LocalRow{first}, count, fit.x());
    for (std::int64_t row = 0; row < count; ++row) {
      const auto [rate, coupling, misfit] = fit(std::span(phi).subspan(row * kPoints, kPoints));
      found.rate.push_back(rate);
      found.self_coupling.push_back(coupling);
      found.misfit.push_back(misfit);
    }
  }
  const std::vector<std::int64_t> sizes = model.partition().sizes();
  return {gather_blocks(rows, std::move(found.rate), sizes),
          gather_blocks(rows, std::move(found.self_coupling), sizes),
          gather_blocks(rows, std::move(found.misfit), sizes)};
}

json describe_types(const FittedParameters& fitted, std::span<const std::int64_t> cluster,
                    const NeuronTypeTruth* truth) {
  const std::int64_t clusters = *std::ranges::max_element(cluster) + 1;
  const std::vector<std::int64_t> type_of =
      truth == nullptr ? std::vector<std::int64_t>() : true_types(cluster, clusters, *truth);
  json types = json::array();
  for (std::int64_t number = 0; number < clusters; ++number) {
    json group = describe_cluster(fitted, cluster, number);
    if (truth != nullptr) add_truth(group, type_of[number], *truth);
    types.push_back(std::move(group));
  }
  return types;
}

}  // namespace weft
