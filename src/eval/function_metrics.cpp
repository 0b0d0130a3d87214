#include "weft/eval/function_metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeuronsPerBlock = 256;

}  // namespace

std::vector<double> linear_grid(double first, double last, std::int64_t points) {
  require(points >= 2, "a grid has at least two points");
  std::vector<double> grid(points);
  for (std::int64_t i = 0; i < points; ++i) {
    const double fraction = static_cast<double>(i) / static_cast<double>(points - 1);
    grid[i] = first * (1 - fraction) + last * fraction;
  }
  return grid;
}

double true_phi(const NeuronTypeTruth& truth, std::int64_t type, double x) {
  const double* parameters = &truth.parameters[3 * type];
  return parameters[1] * std::tanh(x) - parameters[2] * x;
}

double true_psi(double x) { return std::tanh(x); }

std::vector<double> gauged_psi(const RecoveredModel& model, const Gauge& gauge, std::int64_t group,
                               std::span<const double> x) {
  std::vector<double> values = model.psi_of_group(group, x);
  for (double& value : values) value = gauge.psi(value);
  return values;
}

std::vector<double> gauged_phi(const RecoveredModel& model, const Gauge& gauge, LocalRow first,
                               std::int64_t count, std::span<const double> x) {
  std::vector<double> values = model.phi(first, count, x);
  for (std::int64_t row = 0; row < count; ++row) {
    for (std::int64_t i = 0; i < std::ssize(x); ++i) {
      double& value = values[row * std::ssize(x) + i];
      value = gauge.phi(value, LocalRow{index(first) + row});
    }
  }
  return values;
}

PsiErrors compare_psi(std::span<const double> x, std::span<const double> learned) {
  PsiErrors errors;
  for (std::size_t first = 0; first < learned.size(); first += x.size()) {
    double squares = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = std::abs(learned[first + i] - true_psi(x[i]));
      errors.max_error = std::max(errors.max_error, error);
      squares += error * error;
    }
    errors.rms_error = std::max(errors.rms_error, std::sqrt(squares / static_cast<double>(x.size())));
  }
  return errors;
}

PhiErrors compare_phi(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                      const NeuronTypeTruth& truth, std::span<const double> x) {
  const std::int64_t begin = model.partition().begin(model.shard());
  const std::int64_t own = model.partition().size(model.shard());
  std::array<double, 2> squares{};
  for (std::int64_t first = 0; first < own; first += kNeuronsPerBlock) {
    const std::int64_t count = std::min(kNeuronsPerBlock, own - first);
    const auto learned = gauged_phi(model, gauge, LocalRow{first}, count, x);
    for (std::int64_t row = 0; row < count; ++row) {
      const std::int64_t type = truth.neuron_type[begin + first + row];
      for (std::int64_t i = 0; i < std::ssize(x); ++i) {
        const double expected = true_phi(truth, type, x[i]);
        const double error = learned[row * std::ssize(x) + i] - expected;
        squares[0] += error * error;
        squares[1] += expected * expected;
      }
    }
  }
  sum_over<double>(rows, squares);
  const double points = static_cast<double>(model.partition().rows()) * static_cast<double>(x.size());
  PhiErrors errors{.rms_error = std::sqrt(squares[0] / points), .relative_rms_error = {}};
  if (squares[1] > 0) errors.relative_rms_error = std::sqrt(squares[0] / squares[1]);
  return errors;
}

}  // namespace weft
