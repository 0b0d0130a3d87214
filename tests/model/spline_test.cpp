#include "weft/model/spline.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "weft/core/error.hpp"
#include "weft/core/philox.hpp"

namespace weft {
namespace {

std::vector<double> random_coefficients(std::int64_t count) {
  const Philox random(1, RandomStream::figures);
  std::vector<double> coefficients;
  for (std::int64_t k = 0; k < count; ++k)
    coefficients.push_back(random.normal(0, static_cast<std::uint64_t>(k)));
  return coefficients;
}

/// The coefficients of v^power, by Marsden's identity: symmetric polynomials of the knots.
std::vector<double> monomial(const UniformSplines& splines, int power) {
  std::vector<double> coefficients;
  const auto n = static_cast<double>(splines.intervals());
  for (std::int64_t k = 0; k < splines.count(); ++k) {
    const double a = static_cast<double>(k - 2) / n, b = static_cast<double>(k - 1) / n,
                 c = static_cast<double>(k) / n;
    const double symmetric[] = {1, (a + b + c) / 3, (a * b + a * c + b * c) / 3, a * b * c};
    coefficients.push_back(symmetric[power]);
  }
  return coefficients;
}

/// A function of x on the axis, by its values at the splines' middles; near enough for a smooth one.
template <typename Function>
std::vector<double> sampled(const UniformSplines& splines, const SplineAxis& axis, Function function) {
  std::vector<double> coefficients;
  for (std::int64_t k = 0; k < splines.count(); ++k) {
    const double v = static_cast<double>(k - 1) / static_cast<double>(splines.intervals());
    coefficients.push_back(function(axis.activity(v)));
  }
  return coefficients;
}

double quadratic(const std::vector<double>& form, const std::vector<double>& c) {
  double value = 0;
  for (std::size_t k = 0; k < c.size(); ++k) {
    for (std::size_t l = 0; l < c.size(); ++l) value += c[k] * form[k * c.size() + l] * c[l];
  }
  return value;
}

/// The mean over the axis of ((x^2 + scale^2) f''(x))^2, by finite differences in x.
double mean_bending(const UniformSplines& splines, const SplineAxis& axis, const std::vector<double>& c) {
  constexpr int points = 4000;
  double sum = 0;
  for (int p = 0; p < points; ++p) {
    const double x = axis.activity((p + 0.5) / points);
    const double size = x * x + axis.scale * axis.scale;
    const double step = 1e-4 * std::sqrt(size);
    const auto f = [&](double at) { return splines.value(c, axis.coordinate(at)); };
    const double bending = size * (f(x + step) - 2 * f(x) + f(x - step)) / (step * step);
    sum += bending * bending;
  }
  return sum / points;
}

constexpr SplineAxis kAxis{0.5, -4.2, 8.9};

TEST(SplineAxis, GoesToTheCoordinateAndBack) {
  EXPECT_NEAR(kAxis.activity(0), 0.5 * std::sinh(-4.2), 1e-12);
  EXPECT_NEAR(kAxis.activity(1), 0.5 * std::sinh(4.7), 1e-12);
  for (double v = -0.1; v <= 1.1; v += 0.01) EXPECT_NEAR(kAxis.coordinate(kAxis.activity(v)), v, 1e-14);
}

TEST(UniformSplines, FewerThanFourAreRefused) {
  EXPECT_THROW(UniformSplines(3), InternalError);
  EXPECT_EQ(UniformSplines(4).intervals(), 1);
}

TEST(UniformSplines, AddUpToOne) {
  for (const std::int64_t count : {4, 5, 48}) {
    const UniformSplines splines(count);
    for (double v = -0.5; v <= 1.5; v += 1.0 / 512) {
      const UniformSplines::Local4 local = splines.at(v);
      ASSERT_GE(local.first, 0);
      ASSERT_LE(local.first + 3, count - 1);
      EXPECT_NEAR(std::accumulate(local.value, local.value + 4, 0.0), 1, 1e-15);
      for (const double value : local.value) EXPECT_GE(value, 0);
    }
  }
}

TEST(UniformSplines, HoldEveryCubic) {
  for (const std::int64_t count : {4, 11}) {
    const UniformSplines splines(count);
    for (int power = 0; power < 4; ++power) {
      const std::vector<double> c = monomial(splines, power);
      for (double v = 0; v <= 1; v += 1.0 / 64) EXPECT_NEAR(splines.value(c, v), std::pow(v, power), 1e-14);
    }
  }
}

TEST(UniformSplines, KeepTheirValueBeyondTheEnds) {
  const UniformSplines splines(9);
  const std::vector<double> c = random_coefficients(9);
  EXPECT_EQ(splines.value(c, -3), splines.value(c, 0));
  EXPECT_EQ(splines.value(c, 1.01), splines.value(c, 1));
}

TEST(UniformSplines, CubicsAreTheirValues) {
  const UniformSplines splines(9);
  const std::vector<double> c = random_coefficients(9);
  const std::vector<double> cubics = splines.cubics(c);
  ASSERT_EQ(cubics.size(), 24U);
  for (std::size_t cell = 0; cell < 6; ++cell) {
    for (double t = 0; t <= 1; t += 0.125) {
      const double* p = &cubics[4 * cell];
      EXPECT_NEAR(p[0] + t * (p[1] + t * (p[2] + t * p[3])),
                  splines.value(c, (static_cast<double>(cell) + t) / 6), 1e-14);
    }
  }
  EXPECT_THROW(splines.cubics(random_coefficients(8)), InternalError);
}

TEST(UniformSplines, AreSmoothToTheSecondDerivative) {
  const UniformSplines splines(9);
  const std::vector<double> cubics = splines.cubics(random_coefficients(9));
  for (std::size_t cell = 0; cell + 1 < 6; ++cell) {
    const double *left = &cubics[4 * cell], *right = left + 4;
    EXPECT_NEAR(left[0] + left[1] + left[2] + left[3], right[0], 1e-14);
    EXPECT_NEAR(left[1] + 2 * left[2] + 3 * left[3], right[1], 1e-14);
    EXPECT_NEAR(2 * left[2] + 6 * left[3], 2 * right[2], 1e-14);
    EXPECT_GT(std::abs(left[3] - right[3]), 1e-3);
  }
}

TEST(Roughness, IsTheMeanBendingUpToAFactor) {
  const UniformSplines splines(12);
  const std::vector<double> form = splines.roughness(kAxis);
  double trace = 0;
  for (std::size_t k = 0; k < 12; ++k) trace += form[13 * k];
  EXPECT_NEAR(trace, 12, 1e-12);

  const std::vector<double> one = random_coefficients(12);
  const std::vector<double> other = sampled(splines, kAxis, [](double x) { return std::tanh(x); });
  const double expected = mean_bending(splines, kAxis, one) / mean_bending(splines, kAxis, other);
  EXPECT_NEAR(quadratic(form, one) / quadratic(form, other), expected, 1e-3 * expected);
}

TEST(Roughness, OfAStraightLineIsNextToNothing) {
  const UniformSplines splines(48);
  const std::vector<double> form = splines.roughness(kAxis);
  const double range = kAxis.activity(1) - kAxis.activity(0);
  const auto line = sampled(splines, kAxis, [&](double x) { return 3 + x / range; });
  const auto wave = sampled(splines, kAxis, [&](double x) { return std::sin(x / range); });
  const auto constant = sampled(splines, kAxis, [](double) { return 7.0; });
  EXPECT_LT(quadratic(form, line), 2e-3 * quadratic(form, wave));
  EXPECT_LT(std::abs(quadratic(form, constant)), 1e-10);
}

}  // namespace
}  // namespace weft
