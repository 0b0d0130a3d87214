#include "weft/kernels/row_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

#include "kernels/cuda/row_kernels.hpp"
#include "kernels/isa/row_kernels.hpp"
#include "on_gpu.hpp"
#include "variants.hpp"

namespace weft {
namespace {

/// out[b][i] = sum_j w[i][j] x[b][j], one product after the other.
template <typename T>
std::vector<double> slow_row_product(RowBlock<const T> w, const T* x, std::int64_t batch) {
  std::vector<double> out(static_cast<std::size_t>(batch * w.rows));
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t i = 0; i < w.rows; ++i) {
      for (std::int64_t j = 0; j < w.columns; ++j) {
        out[b * w.rows + i] += static_cast<double>(w.data[i * w.stride + j]) * x[b * w.columns + j];
      }
    }
  }
  return out;
}

template <typename T>
std::vector<double> slow_column_product(RowBlock<const T> w, const T* g, std::int64_t batch) {
  std::vector<double> out(static_cast<std::size_t>(batch * w.columns));
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t i = 0; i < w.rows; ++i) {
      for (std::int64_t j = 0; j < w.columns; ++j) {
        out[b * w.columns + j] += static_cast<double>(g[b * w.rows + i]) * w.data[i * w.stride + j];
      }
    }
  }
  return out;
}

/// Adam on the whole of W in double precision, with the gradient written out as a matrix.
template <typename T>
void slow_adam(std::vector<double>& w, std::vector<double>& m, std::vector<double>& v, std::int64_t rows,
               std::int64_t columns, const AdamRowStep<T>& step, double learning_rate, std::int64_t count) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const std::size_t k = static_cast<std::size_t>(i * columns + j);
      if (j == step.first_row + i) {
        w[k] = m[k] = v[k] = 0;
        continue;
      }
      double gradient = 2 * step.l2 * w[k] + step.l1 * ((w[k] > 0) - (w[k] < 0));
      for (std::int64_t b = 0; b < step.batch; ++b) {
        gradient += static_cast<double>(step.g[b * rows + i]) * step.x[b * columns + j];
      }
      m[k] = step.beta1 * m[k] + (1 - step.beta1) * gradient;
      v[k] = step.beta2 * v[k] + (1 - step.beta2) * gradient * gradient;
      const double first = m[k] / (1 - std::pow(step.beta1, count));
      const double second = v[k] / (1 - std::pow(step.beta2, count));
      w[k] -= learning_rate * first / (std::sqrt(second) + step.epsilon);
    }
  }
}

template <typename T, typename U>
void expect_near(const std::vector<T>& actual, const std::vector<U>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t k = 0; k < actual.size(); ++k)
    ASSERT_NEAR(actual[k], expected[k], tolerance) << "at " << k;
}

/// The kernels as programs call them, those compiled for AVX2, which a machine with AVX-512 would never
/// choose, and those of a GPU, on the host.
struct Chosen {
  static void rows(auto... arguments) { row_product(arguments...); }
  static void columns(auto... arguments) { column_product(arguments...); }
  static void adam(auto... arguments) { adam_row_product(arguments...); }
};
struct Avx2 {
  static void rows(auto... arguments) { avx2::row_product(arguments...); }
  static void columns(auto... arguments) { avx2::column_product(arguments...); }
  static void adam(auto... arguments) { avx2::adam_row_product(arguments...); }
};
struct CudaOnHost {
  static void rows(auto... arguments) { cuda::row_product(arguments..., nullptr); }
  static void columns(auto... arguments) { cuda::column_product(arguments..., nullptr); }
  static void adam(auto... arguments) { cuda::adam_row_product(arguments..., nullptr); }
};
struct OnGpu {
  static void rows(auto... arguments) { on_gpu::row_product(arguments...); }
  static void columns(auto... arguments) { on_gpu::column_product(arguments...); }
  static void adam(auto... arguments) { on_gpu::adam_row_product(arguments...); }
};

template <typename T>
class RowKernels : public testing::Test {};

using Variants = VariantsOf<OnGpu, Chosen, Avx2, CudaOnHost>;
TYPED_TEST_SUITE(RowKernels, Variants);

// Sizes below, at and beyond a register, a chain of registers and a stretch of Adam.
constexpr std::int64_t kColumns[] = {1, 2, 15, 16, 17, 64, 100, 127, 512, 1031};
constexpr std::int64_t kBatches[] = {1, 2, 3, 4, 5, 8};
constexpr std::int64_t kRows = 7;

/// Rounding of a sum of n terms of size about 1.
template <typename T>
double rounding(std::int64_t n) {
  return 8 * std::numeric_limits<T>::epsilon() * std::sqrt(static_cast<double>(n)) * std::log2(n + 2.0);
}

/// Both products with `offset` entries before W and before the vectors, and `gap` between rows.
template <typename T, typename Kernels>
void expect_products(std::int64_t count, std::int64_t columns, std::int64_t batch, std::int64_t gap,
                     std::int64_t offset) {
  SCOPED_TRACE(testing::Message() << count << " rows, " << columns << " columns, batch " << batch << ", gap "
                                  << gap << ", offset " << offset);
  const std::int64_t stride = columns + gap;
  const auto w = random_values<T>(offset + count * stride, 1);
  const auto x = random_values<T>(offset + batch * columns, 2);
  const auto g = random_values<T>(offset + batch * count, 3);
  const RowBlock<const T> block{w.data() + offset, count, columns, stride};
  std::vector<T> rows(static_cast<std::size_t>(batch * count), T{99});
  std::vector<T> sums(static_cast<std::size_t>(batch * columns), T{99});

  Kernels::rows(block, x.data() + offset, batch, rows.data());
  Kernels::columns(block, g.data() + offset, batch, sums.data());

  expect_near(rows, slow_row_product(block, x.data() + offset, batch), rounding<T>(columns));
  expect_near(sums, slow_column_product(block, g.data() + offset, batch), rounding<T>(count));
}

TYPED_TEST(RowKernels, ProductsMatchTheSlowOnes) {
  for (const std::int64_t columns : kColumns) {
    for (const std::int64_t batch : kBatches)
      expect_products<typename TypeParam::T, typename TypeParam::Kernels>(kRows, columns, batch, 3, 0);
  }
}

struct Shape {
  std::int64_t rows, columns, batch, gap, offset;
};
// Beyond the rows, the vectors and the columns that a GPU's block takes; rows that 16-byte loads suit, and
// rows that they do not.
constexpr Shape kShapes[] = {{33, 1000, 9, 0, 0}, {33, 1000, 2, 0, 1}, {31, 600, 8, 4, 0}, {33, 31, 9, 0, 0},
                             {5, 8200, 2, 0, 0},  {5, 16399, 1, 1, 0}, {1, 1, 9, 0, 0}};

TYPED_TEST(RowKernels, ProductsOfOtherShapesMatchTheSlowOnes) {
  for (const auto& [rows, columns, batch, gap, offset] : kShapes)
    expect_products<typename TypeParam::T, typename TypeParam::Kernels>(rows, columns, batch, gap, offset);
}

TYPED_TEST(RowKernels, AColumnsSumOverManyRowsMatchesTheSlowOne) {
  using T = typename TypeParam::T;
  constexpr std::int64_t rows = 66'000, columns = 3, batch = 2;
  const auto w = random_values<T>(rows * columns, 1);
  const auto g = random_values<T>(batch * rows, 2);
  const RowBlock<const T> block{w.data(), rows, columns, columns};
  std::vector<T> sums(static_cast<std::size_t>(batch * columns), T{99});

  TypeParam::Kernels::columns(block, g.data(), batch, sums.data());

  // The slow sum, of as many terms one after the other, is the less exact one in double precision.
  expect_near(sums, slow_column_product(block, g.data(), batch), 8 * rounding<T>(rows));
}

TYPED_TEST(RowKernels, ARowsSumDoesNotDependOnRowsBatchOrThreads) {
  using T = typename TypeParam::T;
  using Kernels = typename TypeParam::Kernels;
  for (const std::int64_t columns : {std::int64_t{1031}, std::int64_t{1032}}) {
    constexpr std::int64_t batch = 7;
    const auto w = random_values<T>(kRows * columns, 1);
    const auto x = random_values<T>(batch * columns, 2);
    std::vector<T> all(static_cast<std::size_t>(batch * kRows));
    const int threads = omp_get_max_threads();
    omp_set_num_threads(3);
    Kernels::rows(RowBlock<const T>{w.data(), kRows, columns, columns}, x.data(), batch, all.data());
    omp_set_num_threads(threads);

    for (std::int64_t i = 0; i < kRows; ++i) {
      // Elsewhere in memory, where vector instructions may load in another way.
      std::vector<T> row(static_cast<std::size_t>(1 + columns));
      std::copy_n(w.data() + i * columns, columns, row.data() + 1);
      for (std::int64_t b = 0; b < batch; ++b) {
        T one = 0;
        Kernels::rows(RowBlock<const T>{row.data() + 1, 1, columns, columns}, x.data() + b * columns, 1,
                      &one);
        EXPECT_EQ(one, all[static_cast<std::size_t>(b * kRows + i)])
            << columns << " columns, row " << i << ", batch entry " << b;
      }
    }
  }
}

TYPED_TEST(RowKernels, AdamMatchesTheSlowOneAndKeepsTheDiagonalAtZero) {
  using T = typename TypeParam::T;
  using Kernels = typename TypeParam::Kernels;
  for (const std::int64_t columns : {std::int64_t{9}, std::int64_t{600}}) {
    for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{3}}) {
      SCOPED_TRACE(testing::Message() << columns << " columns, batch " << batch);
      constexpr std::int64_t first_row = 2;
      auto w = random_values<T>(kRows * columns, 4);
      std::vector<T> m(w.size()), v(w.size());
      std::vector<double> slow_w(w.begin(), w.end()), slow_m(w.size()), slow_v(w.size());
      const auto next = random_values<T>(2 * columns, 7);
      std::vector<T> out(2 * kRows), again(2 * kRows);
      const RowBlock<T> block{w.data(), kRows, columns, columns};

      for (std::int64_t count = 1; count <= 5; ++count) {
        const auto g = random_values<T>(batch * kRows, 10 + static_cast<std::uint64_t>(count));
        const auto x = random_values<T>(batch * columns, 20 + static_cast<std::uint64_t>(count));
        AdamRowStep<T> step;
        const AdamFactors factors = adam_factors(0.01, count);
        step.g = g.data(), step.x = x.data(), step.batch = batch, step.first_row = first_row;
        step.factors = &factors, step.l1 = 0.02, step.l2 = 0.03;
        Kernels::adam(block, m.data(), v.data(), step, next.data(), 2, out.data());
        slow_adam(slow_w, slow_m, slow_v, kRows, columns, step, 0.01, count);
      }
      Kernels::rows(RowBlock<const T>{w.data(), kRows, columns, columns}, next.data(), 2, again.data());

      // Where |gradient| is near rounding, Adam turns it into a step of either sign; five steps of 0.01 at
      // most.
      const double tolerance = sizeof(T) == 8 ? 1e-10 : 2e-5;
      expect_near(w, slow_w, tolerance);
      expect_near(m, slow_m, tolerance);
      expect_near(v, slow_v, tolerance);
      EXPECT_EQ(out, again) << "the product within the pass is row_product of the updated rows";
      for (std::int64_t i = 0; i < kRows; ++i)
        EXPECT_EQ(w[static_cast<std::size_t>(i * columns + first_row + i)], 0);
    }
  }
}

TYPED_TEST(RowKernels, AdamOfOtherShapesMatchesTheSlowOneAndRowProduct) {
  using T = typename TypeParam::T;
  using Kernels = typename TypeParam::Kernels;
  for (const auto& [rows, columns, batch, gap, offset] : kShapes) {
    if (columns < rows) continue;
    SCOPED_TRACE(testing::Message() << rows << " rows, " << columns << " columns, batch " << batch
                                    << ", offset " << offset);
    const std::int64_t next_batch = batch + 1;
    auto w = random_values<T>(offset + rows * columns, 4);
    std::vector<T> m(w.size()), v(w.size()), out(next_batch * rows), again(out.size());
    std::vector<double> slow_w(w.begin() + offset, w.end()), slow_m(slow_w.size()), slow_v(slow_w.size());
    const auto g = random_values<T>(batch * rows, 5), x = random_values<T>(batch * columns, 6);
    const auto next = random_values<T>(next_batch * columns, 7);
    const AdamFactors factors = adam_factors(0.01, 1);
    AdamRowStep<T> step;
    step.g = g.data(), step.x = x.data(), step.batch = batch, step.first_row = columns - rows;
    step.factors = &factors, step.l1 = 0.02, step.l2 = 0.03;

    Kernels::adam(RowBlock<T>{w.data() + offset, rows, columns, columns}, m.data() + offset,
                  v.data() + offset, step, next.data(), next_batch, out.data());
    Kernels::rows(RowBlock<const T>{w.data() + offset, rows, columns, columns}, next.data(), next_batch,
                  again.data());
    slow_adam(slow_w, slow_m, slow_v, rows, columns, step, 0.01, 1);

    const double tolerance = sizeof(T) == 8 ? 1e-10 : 2e-5;
    expect_near(std::vector<T>(w.begin() + offset, w.end()), slow_w, tolerance);
    expect_near(std::vector<T>(m.begin() + offset, m.end()), slow_m, tolerance);
    expect_near(std::vector<T>(v.begin() + offset, v.end()), slow_v, tolerance);
    EXPECT_EQ(out, again);
  }
}

TYPED_TEST(RowKernels, AdamWithoutANextBatchOnlyUpdates) {
  using T = typename TypeParam::T;
  using Kernels = typename TypeParam::Kernels;
  constexpr std::int64_t columns = 20;
  auto with = random_values<T>(kRows * columns, 5);
  auto without = with;
  std::vector<T> m1(with.size()), v1(with.size()), m2(with.size()), v2(with.size()), out(kRows);
  const auto g = random_values<T>(kRows, 6);
  const auto x = random_values<T>(columns, 7);
  AdamRowStep<T> step;
  const AdamFactors factors = adam_factors(0.1, 1);
  step.g = g.data(), step.x = x.data(), step.batch = 1, step.factors = &factors;

  Kernels::adam(RowBlock<T>{with.data(), kRows, columns, columns}, m1.data(), v1.data(), step, x.data(), 1,
                out.data());
  Kernels::adam(RowBlock<T>{without.data(), kRows, columns, columns}, m2.data(), v2.data(), step,
                static_cast<T*>(nullptr), 0, static_cast<T*>(nullptr));

  EXPECT_EQ(with, without);
  EXPECT_NE(with, (random_values<T>(kRows * columns, 5)));
}

}  // namespace
}  // namespace weft
