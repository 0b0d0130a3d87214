// Compiled once for each instruction set: WEFT_ISA names the namespace.
#include "kernels/isa/spline_kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace weft::WEFT_ISA {
namespace {

// Postsynaptic rows whose sums stay in registers' reach at a time.
constexpr std::int64_t kRowTile = 16;

/// Entry of the table and place inside the interval, of every column of one frame.
template <typename T>
struct Places {
  std::vector<std::int32_t> entry;
  std::vector<T> t;

  explicit Places(std::int64_t columns)
      : entry(static_cast<std::size_t>(columns)), t(static_cast<std::size_t>(columns)) {}

  void find(const float* u, std::int64_t columns, const CubicAxis& axis) {
    const T low = static_cast<T>(axis.low);
    const T inverse_step = static_cast<T>(axis.inverse_step);
    const T end = static_cast<T>(axis.intervals);
    const auto last = static_cast<std::int32_t>(axis.intervals - 1);
    std::int32_t* const entries = entry.data();
    T* const places = t.data();
#pragma omp simd
    for (std::int64_t j = 0; j < columns; ++j) {
      const T s = std::min(std::max((static_cast<T>(u[j]) - low) * inverse_step, T{0}), end);
      const std::int32_t interval = std::min(static_cast<std::int32_t>(s), last);
      entries[j] = interval;
      places[j] = s - static_cast<T>(interval);
    }
    if (axis.first == nullptr) return;
    for (std::int64_t j = 0; j < columns; ++j) entries[j] += axis.first[j];
  }
};

/// out[j] = or -= the cubic at column j's place.
template <typename T, bool Subtract>
void add_cubics(const Places<T>& places, const T* cubics, std::int64_t columns, T* out) {
  const std::int32_t* const entries = places.entry.data();
  const T* const ts = places.t.data();
#pragma omp simd
  for (std::int64_t j = 0; j < columns; ++j) {
    const T* const c = cubics + 4 * static_cast<std::int64_t>(entries[j]);
    const T t = ts[j];
    const T value = c[0] + t * (c[1] + t * (c[2] + t * c[3]));
    out[j] = Subtract ? out[j] - value : value;
  }
}

template <typename T>
void values_of(const CoordinateRows& u, const CubicAxis& axis, const T* cubics, bool differenced, T* out) {
#pragma omp parallel
  {
    Places<T> places(u.columns);
#pragma omp for schedule(static)
    for (std::int64_t f = 0; f < u.count; ++f) {
      const float* const row = u.data + u.frames[f] * u.stride;
      places.find(row, u.columns, axis);
      add_cubics<T, false>(places, cubics, u.columns, out + f * u.columns);
      if (!differenced) continue;
      places.find(row - u.stride, u.columns, axis);
      add_cubics<T, true>(places, cubics, u.columns, out + f * u.columns);
    }
  }
}

/// sums[k][r] += sign * sum_j b_k(column j's place) w[j][r], for one tile of rows.
template <typename T>
void add_sensitivity(const Places<T>& places, const T* w, std::int64_t columns, T sign, T* sums) {
  const T sixth = sign / 6;
  for (std::int64_t j = 0; j < columns; ++j) {
    const T t = places.t[static_cast<std::size_t>(j)];
    const T q = 1 - t;
    const T b[4] = {sixth * q * q * q, sixth * (4 + t * t * (3 * t - 6)), sixth * (4 + q * q * (3 * q - 6)),
                    sixth * t * t * t};
    T* const sum = sums + kRowTile * static_cast<std::int64_t>(places.entry[static_cast<std::size_t>(j)]);
    const T* const weights = w + kRowTile * j;
    for (std::int64_t p = 0; p < 4; ++p)
      for (std::int64_t r = 0; r < kRowTile; ++r) sum[kRowTile * p + r] += b[p] * weights[r];
  }
}

/// w, (columns x rows), cut into tiles of (columns x kRowTile), the last one filled up with zeros.
template <typename T>
std::vector<T> tile_rows(const T* w, std::int64_t columns, std::int64_t rows) {
  const std::int64_t tiles = (rows + kRowTile - 1) / kRowTile;
  std::vector<T> tiled(static_cast<std::size_t>(tiles * columns * kRowTile), T{0});
  for (std::int64_t j = 0; j < columns; ++j)
    for (std::int64_t r = 0; r < rows; ++r)
      tiled[static_cast<std::size_t>(((r / kRowTile) * columns + j) * kRowTile + r % kRowTile)] =
          w[j * rows + r];
  return tiled;
}

template <typename T>
void sensitivity_of(const CoordinateRows& u, const CubicAxis& axis, const T* w, std::int64_t rows,
                    std::int64_t splines, bool differenced, T* out) {
  const std::vector<T> tiled = tile_rows(w, u.columns, rows);
#pragma omp parallel
  {
    Places<T> here(u.columns), before(u.columns);
    std::vector<T> sums(static_cast<std::size_t>(splines * kRowTile));
#pragma omp for schedule(static)
    for (std::int64_t f = 0; f < u.count; ++f) {
      const float* const row = u.data + u.frames[f] * u.stride;
      here.find(row, u.columns, axis);
      if (differenced) before.find(row - u.stride, u.columns, axis);
      for (std::int64_t first = 0; first < rows; first += kRowTile) {
        const T* const weights = tiled.data() + first * u.columns;
        std::fill(sums.begin(), sums.end(), T{0});
        add_sensitivity(here, weights, u.columns, T{1}, sums.data());
        if (differenced) add_sensitivity(before, weights, u.columns, T{-1}, sums.data());
        for (std::int64_t r = 0; r < std::min(kRowTile, rows - first); ++r)
          for (std::int64_t k = 0; k < splines; ++k)
            out[(f * rows + first + r) * splines + k] = sums[static_cast<std::size_t>(kRowTile * k + r)];
      }
    }
  }
}

}  // namespace

void spline_values(const CoordinateRows& u, const CubicAxis& axis, const float* cubics, bool differenced,
                   float* out) {
  values_of(u, axis, cubics, differenced, out);
}
void spline_values(const CoordinateRows& u, const CubicAxis& axis, const double* cubics, bool differenced,
                   double* out) {
  values_of(u, axis, cubics, differenced, out);
}
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const float* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, float* out) {
  sensitivity_of(u, axis, w, rows, splines, differenced, out);
}
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const double* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, double* out) {
  sensitivity_of(u, axis, w, rows, splines, differenced, out);
}

}  // namespace weft::WEFT_ISA
