#include "weft/kernels/spline_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

#include "kernels/cuda/spline_kernels.hpp"
#include "kernels/isa/spline_kernels.hpp"
#include "on_gpu.hpp"
#include "variants.hpp"

namespace weft {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Splines of one function; a group's functions lie so many entries apart, of which the last three have no
/// interval. The splines of all groups are more than the 64 of a tile on a GPU, which ends within a function.
constexpr std::int64_t kSplines = 11, kIntervals = kSplines - 3, kGroups = 7;
constexpr double kLow = -2.5, kHigh = 3.2;

/// The cubic B-spline on the knots 0 to 4, by de Boor's recursion.
double basic_spline(double s, int degree = 3) {
  if (degree == 0) return s >= 0 && s < 1 ? 1 : 0;
  return (s * basic_spline(s, degree - 1) + (degree + 1 - s) * basic_spline(s - 1, degree - 1)) / degree;
}

/// b_k of a function at a coordinate: the value at the end outside the axis.
double slow_spline(std::int64_t k, float u) {
  const double s = (static_cast<double>(u) - kLow) * kIntervals / (kHigh - kLow);
  // A continuous function: where the last knot belongs does not matter.
  const double inside = std::clamp(s, 0.0, std::nextafter(static_cast<double>(kIntervals), 0.0));
  return basic_spline(inside - static_cast<double>(k) + 3);
}

/// Frames of neurons, each with a group of its own, in rows longer than needed.
struct Activity {
  static constexpr std::int64_t frames_recorded = 9;
  // In no order, one of them twice; the first frame has none before it.
  std::vector<std::int64_t> frames{5, 1, 8, 3, 4, 8, 2};
  std::int64_t columns, stride;
  std::vector<float> u;
  std::vector<std::int32_t> first;
  bool grouped;

  Activity(std::int64_t columns_, bool grouped_)
      : columns(columns_),
        stride(columns_ + 3),
        u(random_values<float>(frames_recorded * stride, 1, 2.5)),
        grouped(grouped_) {
    u[static_cast<std::size_t>(5 * stride)] = static_cast<float>(kLow);
    u[static_cast<std::size_t>(8 * stride)] = static_cast<float>(kHigh);
    u[static_cast<std::size_t>(3 * stride)] = 1e6F;
    u[static_cast<std::size_t>(4 * stride)] = -1e6F;
    for (std::int64_t j = 0; j < columns; ++j)
      first.push_back(static_cast<std::int32_t>((j + j / 5) % kGroups * kSplines));
  }
  CoordinateRows rows() const {
    return {u.data(), stride, columns, frames.data(), static_cast<std::int64_t>(frames.size())};
  }
  CubicAxis axis() const {
    return {kLow, kIntervals / (kHigh - kLow), kIntervals, grouped ? first.data() : nullptr};
  }
  std::int64_t first_of(std::int64_t j) const { return grouped ? first[static_cast<std::size_t>(j)] : 0; }
  /// b_k of column j, counted from its own group on, at frame number f of `frames`.
  double spline(std::size_t f, std::int64_t j, std::int64_t k, bool differenced) const {
    const std::int64_t at = frames[f] * stride + j;
    const double here = slow_spline(k, u[static_cast<std::size_t>(at)]);
    return differenced ? here - slow_spline(k, u[static_cast<std::size_t>(at - stride)]) : here;
  }
};

/// The cubics of splines with these coefficients, by the spline's values and derivatives at the knots.
template <typename T>
std::vector<T> cubic_table(const std::vector<T>& c) {
  std::vector<T> table(4 * c.size(), static_cast<T>(kNan));  // what must never be read
  for (std::size_t g = 0; g < static_cast<std::size_t>(kGroups); ++g) {
    for (std::size_t k = g * kSplines; k < g * kSplines + kIntervals; ++k) {
      table[4 * k] = (c[k] + 4 * c[k + 1] + c[k + 2]) / 6;
      table[4 * k + 1] = (c[k + 2] - c[k]) / 2;
      table[4 * k + 2] = (c[k] - 2 * c[k + 1] + c[k + 2]) / 2;
      table[4 * k + 3] = (c[k + 3] - 3 * c[k + 2] + 3 * c[k + 1] - c[k]) / 6;
    }
  }
  return table;
}

template <typename T>
std::vector<double> slow_values(const Activity& activity, const std::vector<T>& coefficients,
                                bool differenced) {
  std::vector<double> values;
  for (std::size_t f = 0; f < activity.frames.size(); ++f) {
    for (std::int64_t j = 0; j < activity.columns; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < kSplines; ++k) {
        sum += static_cast<double>(coefficients[static_cast<std::size_t>(activity.first_of(j) + k)]) *
               activity.spline(f, j, k, differenced);
      }
      values.push_back(sum);
    }
  }
  return values;
}

template <typename T>
std::vector<double> slow_sensitivity(const Activity& activity, const std::vector<T>& w, std::int64_t rows,
                                     std::int64_t splines, bool differenced) {
  std::vector<double> result(activity.frames.size() * static_cast<std::size_t>(rows * splines));
  for (std::size_t f = 0; f < activity.frames.size(); ++f) {
    for (std::int64_t j = 0; j < activity.columns; ++j) {
      for (std::int64_t k = 0; k < kSplines; ++k) {
        const double b = activity.spline(f, j, k, differenced);
        for (std::int64_t r = 0; r < rows; ++r) {
          const std::int64_t entry =
              (static_cast<std::int64_t>(f) * rows + r) * splines + activity.first_of(j) + k;
          result[static_cast<std::size_t>(entry)] +=
              b * static_cast<double>(w[static_cast<std::size_t>(j * rows + r)]);
        }
      }
    }
  }
  return result;
}

/// The kernels as programs call them, and those compiled for AVX2, which a machine with AVX-512 would never
/// choose; and those for a GPU, on the host.
struct Chosen {
  static void values(auto... arguments) { spline_values(arguments...); }
  static void sensitivity(auto... arguments) { spline_sensitivity(arguments...); }
};
struct Avx2 {
  static void values(auto... arguments) { avx2::spline_values(arguments...); }
  static void sensitivity(auto... arguments) { avx2::spline_sensitivity(arguments...); }
};
struct CudaOnHost {
  static void values(auto... arguments) { cuda::spline_values(arguments..., nullptr); }
  static void sensitivity(auto... arguments) { cuda::spline_sensitivity(arguments..., nullptr); }
};
struct OnGpu {
  static void values(auto... arguments) { on_gpu::spline_values(arguments...); }
  static void sensitivity(auto... arguments) { on_gpu::spline_sensitivity(arguments...); }
};

template <typename T>
class SplineKernels : public testing::Test {
 protected:
  void SetUp() override { omp_set_num_threads(3); }
  void TearDown() override { omp_set_num_threads(threads_); }

 private:
  int threads_ = omp_get_max_threads();
};

using Variants = VariantsOf<OnGpu, Chosen, Avx2, CudaOnHost>;
TYPED_TEST_SUITE(SplineKernels, Variants);

template <typename T>
void expect_near(const std::vector<T>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 1;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  const double tolerance = 100 * std::numeric_limits<T>::epsilon() * largest;
  for (std::size_t k = 0; k < actual.size(); ++k)
    ASSERT_NEAR(actual[k], expected[k], tolerance) << "at " << k;
}

/// Calls `test` with fewer columns than a vector has places, as many, and more but no multiple; with one
/// function and one a group; plain and differenced.
template <typename Test>
void with_every_activity(Test test) {
  for (const std::int64_t columns : {1, 7, 16, 37, 65, 300}) {
    for (const bool grouped : {false, true}) {
      for (const bool differenced : {false, true}) {
        SCOPED_TRACE(testing::Message() << columns << " columns" << (grouped ? ", grouped" : "")
                                        << (differenced ? ", differenced" : ""));
        test(Activity(columns, grouped), differenced);
      }
    }
  }
}

TYPED_TEST(SplineKernels, ValuesMatchTheSlowOnes) {
  using T = typename TypeParam::T;
  const auto coefficients = random_values<T>(kGroups * kSplines, 2);
  const std::vector<T> table = cubic_table(coefficients);
  with_every_activity([&](const Activity& activity, bool differenced) {
    std::vector<T> out(activity.frames.size() * static_cast<std::size_t>(activity.columns),
                       static_cast<T>(kNan));
    TypeParam::Kernels::values(activity.rows(), activity.axis(), table.data(), differenced, out.data());
    expect_near(out, slow_values(activity, coefficients, differenced));
  });
}

TYPED_TEST(SplineKernels, SensitivitiesMatchTheSlowOnes) {
  using T = typename TypeParam::T;
  // Rows below, at and beyond a tile of 8 or 32.
  for (const std::int64_t rows : {1, 5, 8, 19, 70}) {
    with_every_activity([&](const Activity& activity, bool differenced) {
      SCOPED_TRACE(testing::Message() << rows << " rows");
      const std::int64_t splines = activity.grouped ? kGroups * kSplines : kSplines;
      const auto w = random_values<T>(activity.columns * rows, 3);
      std::vector<T> out(activity.frames.size() * static_cast<std::size_t>(rows * splines),
                         static_cast<T>(kNan));
      TypeParam::Kernels::sensitivity(activity.rows(), activity.axis(), w.data(), rows, splines, differenced,
                                      out.data());
      expect_near(out, slow_sensitivity(activity, w, rows, splines, differenced));
    });
  }
}

TYPED_TEST(SplineKernels, NoFramesAreNoWork) {
  using T = typename TypeParam::T;
  Activity activity(5, false);
  activity.frames.clear();
  const std::vector<T> table(4 * kSplines), w(5);
  T out = 7;
  TypeParam::Kernels::values(activity.rows(), activity.axis(), table.data(), false, &out);
  TypeParam::Kernels::sensitivity(activity.rows(), activity.axis(), w.data(), std::int64_t{1}, kSplines,
                                  false, &out);
  EXPECT_EQ(out, T{7});
}

}  // namespace
}  // namespace weft
