#include "weft/kernels/dot_kernels.hpp"

#include <algorithm>

namespace weft {
namespace {

// Columns whose sums stay in the cache.
constexpr std::int64_t kColumns = 512;

template <typename T>
double dot_of(const T* a, const T* b, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t j = 0; j < count; ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return sum;
}

template <typename T>
void add_products(const T* a, const T* b, std::int64_t count, double* sums) {
#pragma omp simd
  for (std::int64_t j = 0; j < count; ++j) sums[j] += static_cast<double>(a[j]) * static_cast<double>(b[j]);
}

template <typename T>
void dots_of_rows(RowBlock<const T> a, RowBlock<const T> b, double* out) {
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < a.rows; ++i)
    out[i] = dot_of(a.data + i * a.stride, b.data + i * b.stride, a.columns);
}

template <typename T>
void dots_of_columns(RowBlock<const T> a, RowBlock<const T> b, double* out) {
#pragma omp parallel for schedule(static)
  for (std::int64_t first = 0; first < a.columns; first += kColumns) {
    const std::int64_t count = std::min(kColumns, a.columns - first);
    std::fill_n(out + first, count, 0.0);
    for (std::int64_t i = 0; i < a.rows; ++i)
      add_products(a.data + i * a.stride + first, b.data + i * b.stride + first, count, out + first);
  }
}

}  // namespace

void row_dots(RowBlock<const float> a, RowBlock<const float> b, double* out) { dots_of_rows(a, b, out); }
void row_dots(RowBlock<const double> a, RowBlock<const double> b, double* out) { dots_of_rows(a, b, out); }
void column_dots(RowBlock<const float> a, RowBlock<const float> b, double* out) {
  dots_of_columns(a, b, out);
}
void column_dots(RowBlock<const double> a, RowBlock<const double> b, double* out) {
  dots_of_columns(a, b, out);
}

}  // namespace weft
