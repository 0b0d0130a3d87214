#include "weft/model/spline.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "weft/core/error.hpp"

namespace weft {
namespace {

// Midpoints of each interval at which the mean over the axis is taken.
constexpr std::int64_t kMidpoints = 40;

/// The four cubics that a point t of an interval sees, powers 0 to 3 of t, times 6.
constexpr double kPieces[4][4] = {{1, -3, 3, -1}, {4, 0, -6, 3}, {1, 3, 3, -3}, {0, 0, 0, 1}};

std::array<double, 4> values_at(double t) {
  std::array<double, 4> values;
  for (std::size_t p = 0; p < 4; ++p) {
    const double* c = kPieces[p];
    values[p] = (c[0] + t * (c[1] + t * (c[2] + t * c[3]))) / 6;
  }
  return values;
}

/// (x^2 + scale^2) b''(x) of the four splines; `slope` is dt / du and u = asinh(x / scale), in which the
/// expression is b''(u) - tanh(u) b'(u).
std::array<double, 4> bending_at(double t, double u, double slope) {
  std::array<double, 4> bending;
  for (std::size_t p = 0; p < 4; ++p) {
    const double* c = kPieces[p];
    const double first = (c[1] + t * (2 * c[2] + t * 3 * c[3])) / 6;
    const double second = (2 * c[2] + t * 6 * c[3]) / 6;
    bending[p] = slope * slope * second - std::tanh(u) * slope * first;
  }
  return bending;
}

}  // namespace

double SplineAxis::coordinate(double x) const { return (std::asinh(x / scale) - low) / width; }
double SplineAxis::activity(double v) const { return scale * std::sinh(low + width * v); }

UniformSplines::UniformSplines(std::int64_t count) : count_(count) {
  require(count >= 4, "cubic splines need four or more");
}

UniformSplines::Local4 UniformSplines::at(double v) const {
  const double s = std::clamp(v, 0.0, 1.0) * static_cast<double>(intervals());
  const std::int64_t first = std::min(static_cast<std::int64_t>(s), intervals() - 1);
  const std::array<double, 4> values = values_at(s - static_cast<double>(first));
  return {first, {values[0], values[1], values[2], values[3]}};
}

double UniformSplines::value(std::span<const double> coefficients, double v) const {
  const Local4 local = at(v);
  const double* c = coefficients.data() + local.first;
  return c[0] * local.value[0] + c[1] * local.value[1] + c[2] * local.value[2] + c[3] * local.value[3];
}

std::vector<double> UniformSplines::cubics(std::span<const double> coefficients) const {
  require(std::ssize(coefficients) == count_, "one coefficient a spline");
  std::vector<double> cubics(static_cast<std::size_t>(4 * intervals()));
  for (std::size_t cell = 0; 4 * cell < cubics.size(); ++cell) {
    for (std::size_t p = 0; p < 4; ++p) {
      for (std::size_t power = 0; power < 4; ++power) {
        cubics[4 * cell + power] += coefficients[cell + p] * kPieces[p][power] / 6;
      }
    }
  }
  return cubics;
}

std::vector<double> UniformSplines::roughness(const SplineAxis& axis) const {
  std::vector<double> form(static_cast<std::size_t>(count_ * count_));
  const double slope = static_cast<double>(intervals()) / axis.width;
  for (std::int64_t cell = 0; cell < intervals(); ++cell) {
    for (std::int64_t point = 0; point < kMidpoints; ++point) {
      const double t = (static_cast<double>(point) + 0.5) / static_cast<double>(kMidpoints);
      const double u = axis.low + (static_cast<double>(cell) + t) / slope;
      const std::array<double, 4> bending = bending_at(t, u, slope);
      for (std::int64_t p = 0; p < 4; ++p) {
        for (std::int64_t q = 0; q < 4; ++q) {
          form[static_cast<std::size_t>((cell + p) * count_ + cell + q)] +=
              bending[static_cast<std::size_t>(p)] * bending[static_cast<std::size_t>(q)];
        }
      }
    }
  }
  double trace = 0;
  for (std::int64_t k = 0; k < count_; ++k) trace += form[static_cast<std::size_t>(k * (count_ + 1))];
  for (double& entry : form) entry *= static_cast<double>(count_) / trace;
  return form;
}

}  // namespace weft
