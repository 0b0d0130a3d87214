#include "weft/model/principal_components.hpp"

#include <array>
#include <cmath>
#include <utility>

#include "weft/comm/sums.hpp"
#include "weft/model/symmetric_eigen.hpp"

namespace weft {
namespace {

// Below this fraction of the first component's variance lies the rounding of the sums.
constexpr double kNoVariance = 1e-12;

/// Sums over neurons, from which follow mean and covariance of the curves.
struct Moments {
  std::vector<double> sum;       ///< (P)
  std::vector<double> products;  ///< (P x P)
};

Moments sum_moments(Communicator& rows, std::span<const double> curves, std::int64_t points) {
  Moments moments{std::vector<double>(points), std::vector<double>(points * points)};
  for (std::size_t start = 0; start < curves.size(); start += points) {
    for (std::int64_t i = 0; i < points; ++i) {
      moments.sum[i] += curves[start + i];
      for (std::int64_t j = 0; j < points; ++j)
        moments.products[i * points + j] += curves[start + i] * curves[start + j];
    }
  }
  sum_over(rows, std::span<double>(moments.sum));
  sum_over(rows, std::span<double>(moments.products));
  return moments;
}

/// Two directions (P), each divided by the square root of its variance; 0 where there is none.
struct Axes {
  std::vector<double> mean;
  std::array<std::vector<double>, 2> direction;
};

Axes principal_axes(Moments moments, double neurons) {
  const std::int64_t points = std::ssize(moments.sum);
  Axes axes{moments.sum, {std::vector<double>(points), std::vector<double>(points)}};
  for (double& value : axes.mean) value /= neurons;
  for (std::int64_t i = 0; i < points; ++i) {
    for (std::int64_t j = 0; j < points; ++j) {
      double& entry = moments.products[i * points + j];
      entry = entry / neurons - axes.mean[i] * axes.mean[j];
    }
  }
  const SymmetricEigen eigen = symmetric_eigen(std::move(moments.products), points);
  for (std::int64_t component = 0; component < 2; ++component) {
    const std::int64_t rank = points - 1 - component;
    const double variance = eigen.values[rank];
    if (variance <= kNoVariance * eigen.values[points - 1]) continue;
    for (std::int64_t i = 0; i < points; ++i) {
      axes.direction[component][i] = eigen.vectors[rank * points + i] / std::sqrt(variance);
    }
  }
  return axes;
}

}  // namespace

std::vector<double> principal_components(Communicator& rows, const RowPartition& partition,
                                         std::span<const double> curves, std::int64_t points) {
  const Axes axes = principal_axes(sum_moments(rows, curves, points), static_cast<double>(partition.rows()));
  const std::int64_t own = std::ssize(curves) / points;
  std::vector<double> projected(2 * own);
  for (std::int64_t row = 0; row < own; ++row) {
    for (std::int64_t component = 0; component < 2; ++component) {
      for (std::int64_t i = 0; i < points; ++i) {
        projected[2 * row + component] +=
            (curves[row * points + i] - axes.mean[i]) * axes.direction[component][i];
      }
    }
  }
  return projected;
}

}  // namespace weft
