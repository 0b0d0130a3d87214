#include "kernels/cuda/dot_kernels.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "on_gpu.hpp"
#include "variants.hpp"

namespace weft {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Numbers in rows `gap` longer than needed, `offset` places after an aligned one; NaN where nothing may be
/// read.
template <typename T>
struct Matrix {
  std::vector<T> values;
  RowBlock<const T> block;

  Matrix(std::int64_t rows, std::int64_t columns, std::uint64_t seed, std::int64_t gap, std::int64_t offset) {
    const std::int64_t stride = columns + gap;
    const auto numbers = random_values<T>(rows * columns, seed);
    values.assign(static_cast<std::size_t>(rows * stride + offset + 1), static_cast<T>(kNan));
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j)
        values[static_cast<std::size_t>(offset + i * stride + j)] =
            numbers[static_cast<std::size_t>(i * columns + j)];
    block = {values.data() + offset, rows, columns, stride};
  }
  double at(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(block.data[i * block.stride + j]);
  }
};

/// The sums of products and of their magnitudes, of every row or of every column.
struct Slow {
  std::vector<double> sums, magnitudes;

  template <typename T>
  Slow(const Matrix<T>& a, const Matrix<T>& b, bool of_rows) {
    const auto count = static_cast<std::size_t>(of_rows ? a.block.rows : a.block.columns);
    sums.assign(count, 0);
    magnitudes.assign(count, 0);
    for (std::int64_t i = 0; i < a.block.rows; ++i) {
      for (std::int64_t j = 0; j < a.block.columns; ++j) {
        const auto to = static_cast<std::size_t>(of_rows ? i : j);
        sums[to] += a.at(i, j) * b.at(i, j);
        magnitudes[to] += std::abs(a.at(i, j) * b.at(i, j));
      }
    }
  }
};

/// The kernels of the host, and those of a GPU, on the host and on one.
struct Chosen {
  static void rows(auto... arguments) { row_dots(arguments...); }
  static void columns(auto... arguments) { column_dots(arguments...); }
};
struct CudaOnHost {
  static void rows(auto... arguments) { cuda::row_dots(arguments..., nullptr); }
  static void columns(auto... arguments) { cuda::column_dots(arguments..., nullptr); }
};
struct OnGpu {
  static void rows(auto... arguments) { on_gpu::row_dots(arguments...); }
  static void columns(auto... arguments) { on_gpu::column_dots(arguments...); }
};

template <typename Kernels, typename T>
std::vector<double> dots(const Matrix<T>& a, const Matrix<T>& b, bool of_rows) {
  std::vector<double> out(static_cast<std::size_t>(of_rows ? a.block.rows : a.block.columns), kNan);
  if (of_rows) {
    Kernels::rows(a.block, b.block, out.data());
  } else {
    Kernels::columns(a.block, b.block, out.data());
  }
  return out;
}

struct Shape {
  std::int64_t rows, columns;
};

/// One row or column, vectors and warps that are not full, several parts of rows and of columns, and nothing
/// to add.
constexpr Shape kShapes[] = {{1, 1},    {3, 31},   {8, 33},   {9, 129}, {2, 1000}, {5, 2048}, {11, 4099},
                             {300, 13}, {97, 513}, {1000, 1}, {4, 0},   {0, 4},    {0, 0}};

template <typename T>
class DotKernels : public testing::Test {};
using Variants = VariantsOf<OnGpu, Chosen, CudaOnHost>;
TYPED_TEST_SUITE(DotKernels, Variants);

TYPED_TEST(DotKernels, MatchTheSlowOnes) {
  using T = typename TypeParam::T;
  for (const auto [rows, columns] : kShapes) {
    for (const bool of_rows : {true, false}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns << (of_rows ? ", rows" : ", columns"));
      const Matrix<T> a(rows, columns, 1, 0, 0), b(rows, columns, 2, 3, 1);
      const std::vector<double> actual = dots<typename TypeParam::Kernels>(a, b, of_rows);
      const Slow slow(a, b, of_rows);
      for (std::size_t k = 0; k < actual.size(); ++k)
        ASSERT_NEAR(actual[k], slow.sums[k], 1e-14 * slow.magnitudes[k]) << "at " << k;
    }
  }
}

TYPED_TEST(DotKernels, SumsDoNotDependOnTheAlignment) {
  using T = typename TypeParam::T;
  for (const auto [rows, columns] : kShapes) {
    for (const bool of_rows : {true, false}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns << (of_rows ? ", rows" : ", columns"));
      const std::int64_t gap = 8 - columns % 8;
      const Matrix<T> a(rows, columns, 1, gap, 0), b(rows, columns, 2, gap + 8, 0);
      const std::vector<double> aligned = dots<typename TypeParam::Kernels>(a, b, of_rows);
      EXPECT_EQ(aligned, dots<typename TypeParam::Kernels>(Matrix<T>(rows, columns, 1, gap, 1), b, of_rows));
      EXPECT_EQ(aligned,
                dots<typename TypeParam::Kernels>(a, Matrix<T>(rows, columns, 2, gap + 1, 0), of_rows));
    }
  }
}

}  // namespace
}  // namespace weft
