#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft {

/// The coordinate in which splines are uniform: v = (asinh(x / scale) - low) / width, which is 0 and 1 at the
/// ends of the observed activity. It is fine where activity is dense and coarse in the tails. Local.
struct SplineAxis {
  double scale = 1;
  double low = 0;
  double width = 1;

  double coordinate(double x) const;
  double activity(double v) const;
};

/// `count` uniform cubic B-splines on 0 <= v <= 1 (de Boor 1978); outside, a function keeps its value at the
/// end. Four of them, first + 0 .. first + 3, are not zero at a point, and all of them add up to 1. Local.
class UniformSplines {
 public:
  /// What is not zero at a point.
  struct Local4 {
    std::int64_t first;
    double value[4];
  };

  /// @throws InternalError for fewer than 4.
  explicit UniformSplines(std::int64_t count);

  std::int64_t count() const { return count_; }
  std::int64_t intervals() const { return count_ - 3; }
  Local4 at(double v) const;
  /// sum_k coefficients[k] b_k(v).
  double value(std::span<const double> coefficients, double v) const;
  /// The cubic of each interval, (intervals x 4): powers 0 to 3 of t = v intervals - interval.
  std::vector<double> cubics(std::span<const double> coefficients) const;
  /// (count x count), trace `count`: the mean over the axis of ((x^2 + scale^2) f''(x))^2 as a quadratic form
  /// of the coefficients. Straight lines in x cost nothing, so that with a tiny weight it decides only what
  /// the data leave open, the ends of the range.
  std::vector<double> roughness(const SplineAxis& axis) const;

 private:
  std::int64_t count_;
};

}  // namespace weft
