// Compiled once for each instruction set: WEFT_ISA names the namespace, WEFT_VECTOR_BYTES the register width.
#include "kernels/isa/row_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <immintrin.h>
#include <omp.h>

#include "kernels/isa/vector.hpp"

namespace weft::WEFT_ISA {
namespace {

// Independent chains hide the latency of a fused multiply-add; AVX2 has half the registers.
constexpr int kChains = WEFT_VECTOR_BYTES == 64 ? 4 : 2;
// A tile of sums fills the registers, so that each value loaded serves many of them.
constexpr int kRowTile = WEFT_VECTOR_BYTES == 64 ? 6 : 3;
constexpr int kBatchTile = 4;

/// Dot products of `Rows` rows with `Tile` vectors that lie `columns` apart. Each sum is made of kChains
/// chains, of which `Together` are taken at a time: all of them where there are few sums, one after the other
/// where sums alone fill the registers. The order of a sum is the same in either case.
template <typename T, int Rows, int Tile, int Together>
void dots(const T* w, std::int64_t stride, std::int64_t columns, const T* x, T* out,
          std::int64_t out_stride) {
  using V = Vector<T>;
  typename V::Register total[Rows][Tile];
  for (int first = 0; first < kChains; first += Together) {
    typename V::Register chain[Together][Rows][Tile] = {};
    const auto add = [&](int c, std::int64_t j, auto load) {
      typename V::Register weights[Rows];
      for (int r = 0; r < Rows; ++r) weights[r] = load(w + r * stride + j);
      for (int b = 0; b < Tile; ++b) {
        const auto values = load(x + b * columns + j);
        for (int r = 0; r < Rows; ++r) chain[c][r][b] += weights[r] * values;
      }
    };
    std::int64_t j = 0;
    for (; j + kChains * V::lanes <= columns; j += kChains * V::lanes) {
      for (int c = 0; c < Together; ++c) add(c, j + (first + c) * V::lanes, V::load);
    }
    for (; first == 0 && j < columns; j += V::lanes) {
      const std::int64_t count = std::min(V::lanes, columns - j);
      add(0, j, [count](const T* from) { return V::load_part(from, count); });
    }
    for (int r = 0; r < Rows; ++r) {
      for (int b = 0; b < Tile; ++b) {
        for (int c = 0; c < Together; ++c)
          total[r][b] = first + c == 0 ? chain[c][r][b] : total[r][b] + chain[c][r][b];
      }
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int b = 0; b < Tile; ++b) out[b * out_stride + r] = V::sum(total[r][b]);
  }
}

template <typename T>
void row_times_batch(const T* w, std::int64_t columns, const T* x, std::int64_t batch, T* out,
                     std::int64_t out_stride) {
  std::int64_t b = 0;
  for (; b + kBatchTile <= batch; b += kBatchTile) {
    dots<T, 1, kBatchTile, kChains>(w, 0, columns, x + b * columns, out + b * out_stride, out_stride);
  }
  for (; b < batch; ++b) {
    dots<T, 1, 1, kChains>(w, 0, columns, x + b * columns, out + b * out_stride, out_stride);
  }
}

template <typename T>
void row_product_of(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) {
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < w.rows; i += kRowTile) {
    const T* rows = w.data + i * w.stride;
    const std::int64_t count = std::min<std::int64_t>(kRowTile, w.rows - i);
    std::int64_t b = 0;
    for (; count == kRowTile && b + kBatchTile <= batch; b += kBatchTile) {
      dots<T, kRowTile, kBatchTile, 1>(rows, w.stride, w.columns, x + b * w.columns, out + b * w.rows + i,
                                       w.rows);
    }
    for (std::int64_t r = 0; r < count; ++r) {
      row_times_batch(rows + r * w.stride, w.columns, x + b * w.columns, batch - b, out + b * w.rows + i + r,
                      w.rows);
    }
  }
}

/// sums[b][j] += sum of g[b][i] w[i][j] over `Rows` rows from row i on.
template <typename T, int Rows>
void add_rows(const RowBlock<const T>& w, const T* g, std::int64_t batch, std::int64_t i, T* sums) {
  using V = Vector<T>;
  const T* row = w.data + i * w.stride;
  std::int64_t j = 0;
  for (; j + V::lanes <= w.columns; j += V::lanes) {
    typename V::Register weights[Rows];
    for (int r = 0; r < Rows; ++r) weights[r] = V::load(row + r * w.stride + j);
    for (std::int64_t b = 0; b < batch; ++b) {
      auto sum = V::load(sums + b * w.columns + j);
      for (int r = 0; r < Rows; ++r) sum += g[b * w.rows + i + r] * weights[r];
      V::store(sums + b * w.columns + j, sum);
    }
  }
  for (; j < w.columns; ++j) {
    for (std::int64_t b = 0; b < batch; ++b) {
      for (int r = 0; r < Rows; ++r) sums[b * w.columns + j] += g[b * w.rows + i + r] * row[r * w.stride + j];
    }
  }
}

template <typename T>
void column_product_of(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) {
  // The sums of a batch do not fit level 1 cache: many rows at a time, as registers allow, spare reading and
  // writing them.
  constexpr int kRows = WEFT_VECTOR_BYTES == 64 ? 16 : 8;
  const std::int64_t length = batch * w.columns;
  std::vector<std::vector<T>> partial;
#pragma omp parallel
  {
    const std::int64_t threads = omp_get_num_threads();
    const std::int64_t thread = omp_get_thread_num();
#pragma omp single
    partial.resize(static_cast<std::size_t>(threads));
    std::vector<T>& sums = partial[static_cast<std::size_t>(thread)];
    sums.assign(static_cast<std::size_t>(length), T{0});
    const std::int64_t end = w.rows * (thread + 1) / threads;
    std::int64_t i = w.rows * thread / threads;
    for (; i + kRows <= end; i += kRows) add_rows<T, kRows>(w, g, batch, i, sums.data());
    for (; i < end; ++i) add_rows<T, 1>(w, g, batch, i, sums.data());
#pragma omp barrier
#pragma omp for schedule(static)
    for (std::int64_t k = 0; k < length; ++k) {
      T total = 0;
      for (const std::vector<T>& one : partial) total += one[static_cast<std::size_t>(k)];
      out[k] = total;
    }
  }
}

/// Adam's constants of one step, with the bias corrections worked in.
template <typename T>
struct AdamConstants {
  T beta1, beta2, rest1, rest2, epsilon, rate, second_correction, l1, l2;

  explicit AdamConstants(const AdamRowStep<T>& step)
      : beta1(static_cast<T>(step.beta1)),
        beta2(static_cast<T>(step.beta2)),
        rest1(static_cast<T>(1 - step.beta1)),  // in double: 1 - 0.999f is off by 5e-5
        rest2(static_cast<T>(1 - step.beta2)),
        epsilon(static_cast<T>(step.epsilon)),
        rate(static_cast<T>(step.factors->rate)),
        second_correction(static_cast<T>(step.factors->second_correction)),
        l1(static_cast<T>(step.l1)),
        l2(static_cast<T>(2 * step.l2)) {}
};

// GCC takes the root of a vector lane by lane; one instruction does it. The masked form, with every lane in,
// is the same instruction and spares a false warning of GCC 12 about an uninitialised register.
#if WEFT_VECTOR_BYTES == 64
Vector<float>::Register square_root(Vector<float>::Register value) {
  return reinterpret_cast<Vector<float>::Register>(
      _mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(value)));
}
Vector<double>::Register square_root(Vector<double>::Register value) {
  return reinterpret_cast<Vector<double>::Register>(
      _mm512_maskz_sqrt_pd(0xff, reinterpret_cast<__m512d>(value)));
}
#else
Vector<float>::Register square_root(Vector<float>::Register value) {
  return reinterpret_cast<Vector<float>::Register>(_mm256_sqrt_ps(reinterpret_cast<__m256>(value)));
}
Vector<double>::Register square_root(Vector<double>::Register value) {
  return reinterpret_cast<Vector<double>::Register>(_mm256_sqrt_pd(reinterpret_cast<__m256d>(value)));
}
#endif

/// One register of W: its gradient but for l1 and l2 comes in, w and the moments are updated.
template <typename T>
void adam_register(typename Vector<T>::Register& w, typename Vector<T>::Register& m,
                   typename Vector<T>::Register& v, typename Vector<T>::Register gradient,
                   const AdamConstants<T>& adam) {
  const typename Vector<T>::Register none{};
  gradient += adam.l2 * w + (w > 0 ? none + adam.l1 : none) - (w < 0 ? none + adam.l1 : none);
  m = adam.beta1 * m + adam.rest1 * gradient;
  v = adam.beta2 * v + adam.rest2 * gradient * gradient;
  w -= adam.rate * m / (square_root(v) * adam.second_correction + adam.epsilon);
}

template <typename T>
void adam_row(T* w, T* m, T* v, std::int64_t columns, const AdamRowStep<T>& step, std::int64_t row,
              std::int64_t rows, const AdamConstants<T> adam) {
  using V = Vector<T>;
  const auto gradient_of = [batch = step.batch, g = step.g + row, x = step.x, columns, rows](auto load) {
    typename V::Register gradient{};
    for (std::int64_t b = 0; b < batch; ++b) gradient += g[b * rows] * load(x + b * columns);
    return gradient;
  };
  std::int64_t j = 0;
  for (; j + V::lanes <= columns; j += V::lanes) {
    auto weights = V::load(w + j), first = V::load(m + j), second = V::load(v + j);
    adam_register<T>(weights, first, second, gradient_of([&](const T* x) { return V::load(x + j); }), adam);
    V::store(w + j, weights);
    V::store(m + j, first);
    V::store(v + j, second);
  }
  if (const std::int64_t rest = columns - j; rest > 0) {
    auto weights = V::load_part(w + j, rest), first = V::load_part(m + j, rest),
         second = V::load_part(v + j, rest);
    adam_register<T>(weights, first, second,
                     gradient_of([&](const T* x) { return V::load_part(x + j, rest); }), adam);
    V::store_part(w + j, weights, rest);
    V::store_part(m + j, first, rest);
    V::store_part(v + j, second, rest);
  }
}

template <typename T>
void adam_row_product_of(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                         std::int64_t next_batch, T* out) {
  const AdamConstants<T> adam(step);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < w.rows; ++i) {
    const std::int64_t start = i * w.stride;
    const std::int64_t diagonal = start + step.first_row + i;
    adam_row(w.data + start, m + start, v + start, w.columns, step, i, w.rows, adam);
    w.data[diagonal] = m[diagonal] = v[diagonal] = 0;
    // The row is still in cache, so that the product costs no memory traffic.
    row_times_batch<T>(w.data + start, w.columns, next, next_batch, out + i, w.rows);
  }
}

}  // namespace

void row_product(RowBlock<const float> w, const float* x, std::int64_t batch, float* out) {
  row_product_of(w, x, batch, out);
}
void row_product(RowBlock<const double> w, const double* x, std::int64_t batch, double* out) {
  row_product_of(w, x, batch, out);
}
void column_product(RowBlock<const float> w, const float* g, std::int64_t batch, float* out) {
  column_product_of(w, g, batch, out);
}
void column_product(RowBlock<const double> w, const double* g, std::int64_t batch, double* out) {
  column_product_of(w, g, batch, out);
}
void adam_row_product(RowBlock<float> w, float* m, float* v, const AdamRowStep<float>& step,
                      const float* next, std::int64_t next_batch, float* out) {
  adam_row_product_of(w, m, v, step, next, next_batch, out);
}
void adam_row_product(RowBlock<double> w, double* m, double* v, const AdamRowStep<double>& step,
                      const double* next, std::int64_t next_batch, double* out) {
  adam_row_product_of(w, m, v, step, next, next_batch, out);
}

}  // namespace weft::WEFT_ISA
