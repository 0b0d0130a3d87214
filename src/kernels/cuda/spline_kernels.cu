#include <algorithm>

#include "kernels/cuda/spline_kernels.hpp"

namespace weft::cuda {
namespace {

/// A CubicAxis in the precision of the values.
template <typename T>
struct Axis {
  T low, inverse_step, end;
  std::int32_t last;
  const std::int32_t* first;

  explicit Axis(const CubicAxis& axis)
      : low(static_cast<T>(axis.low)),
        inverse_step(static_cast<T>(axis.inverse_step)),
        end(static_cast<T>(axis.intervals)),
        last(static_cast<std::int32_t>(axis.intervals - 1)),
        first(axis.first) {}
};

template <typename T>
struct Place {
  std::int32_t interval;
  T t;
};

template <typename T>
__device__ Place<T> place_of(float u, const Axis<T>& axis) {
  const T s = std::min(axis.end, std::max(T{0}, (static_cast<T>(u) - axis.low) * axis.inverse_step));
  const std::int32_t interval = std::min(static_cast<std::int32_t>(s), axis.last);
  return {interval, s - static_cast<T>(interval)};
}

template <typename T>
__device__ std::int32_t first_entry(const Axis<T>& axis, std::int64_t column) {
  return axis.first == nullptr ? 0 : axis.first[column];
}

// spline_values

constexpr int kValueThreads = 256;
// Frames of a thread: their loads overlap, and the column's first entry is read once.
constexpr int kValueFrames = 4;

template <typename T>
struct alignas(16) Cubic {
  T c[4];
};

template <typename T, bool Aligned>
__device__ Cubic<T> load_cubic(const T* __restrict__ from) {
  if constexpr (Aligned) return *reinterpret_cast<const Cubic<T>*>(from);
  return {{from[0], from[1], from[2], from[3]}};
}

template <typename T, bool Aligned>
__device__ T value_at(float u, const Axis<T>& axis, const T* __restrict__ cubics) {
  const Place<T> place = place_of(u, axis);
  const Cubic<T> cubic = load_cubic<T, Aligned>(cubics + 4 * place.interval);
  return cubic.c[0] + place.t * (cubic.c[1] + place.t * (cubic.c[2] + place.t * cubic.c[3]));
}

/// A block takes kValueThreads columns at kValueFrames frames.
template <typename T, bool Aligned>
__global__ void __launch_bounds__(kValueThreads)
    values_kernel(CoordinateRows u, Axis<T> axis, const T* __restrict__ cubics, bool differenced,
                  unsigned column_blocks, T* __restrict__ out) {
  const std::int64_t j = std::int64_t{blockIdx.x % column_blocks} * kValueThreads + threadIdx.x;
  const std::int64_t first_frame = std::int64_t{blockIdx.x / column_blocks} * kValueFrames;
  if (j >= u.columns) return;
  float here[kValueFrames], before[kValueFrames];
  for (int f = 0; f < kValueFrames; ++f) {
    const float* const at = u.data + u.frames[std::min(first_frame + f, u.count - 1)] * u.stride + j;
    here[f] = *at;
    before[f] = differenced ? *(at - u.stride) : 0;
  }
  const T* const own = cubics + 4 * std::int64_t{first_entry(axis, j)};
  T values[kValueFrames];
  for (int f = 0; f < kValueFrames; ++f) {
    values[f] = value_at<T, Aligned>(here[f], axis, own);
    if (differenced) values[f] -= value_at<T, Aligned>(before[f], axis, own);
  }
  for (int f = 0; f < kValueFrames; ++f)
    if (first_frame + f < u.count) out[(first_frame + f) * u.columns + j] = values[f];
}

template <typename T>
void values_of(const CoordinateRows& u, const CubicAxis& axis, const T* cubics, bool differenced, T* out,
               cudaStream_t stream) {
  if (u.count == 0 || u.columns == 0) return;
  const std::int64_t column_blocks = blocks_for(u.columns, kValueThreads);
  const std::int64_t blocks = column_blocks * blocks_for(u.count, kValueFrames);
  const bool aligned = reinterpret_cast<std::uintptr_t>(cubics) % alignof(Cubic<T>) == 0;
  launch(aligned ? values_kernel<T, true> : values_kernel<T, false>, dim3(static_cast<unsigned>(blocks)),
         dim3(kValueThreads), stream, u, Axis<T>(axis), cubics, differenced,
         static_cast<unsigned>(column_blocks), out);
}

// spline_sensitivity
//
// A thread owns one row at one frame and a tile of the splines, whose sums lie in its own column of shared
// memory, bank for bank: no two threads ever add to one sum, any intervals are free of bank conflicts, and
// every sum takes the columns in their order. The splines of the columns at the block's frames are computed
// once for all its rows.

// Splines of a tile.
constexpr int kBins = 64;
// Columns whose splines are in shared memory at a time, and those of them whose weights a thread loads at
// once.
constexpr int kColumns = 16, kWeights = 4;
// Rows of a block at most: those of a full warp share a frame, and with it the splines they read.
constexpr std::int64_t kRows = 32;

template <typename T>
constexpr int kSumThreads = 512 / static_cast<int>(sizeof(T));  // 32 KiB of sums
// Frames of a block at most.
template <typename T>
constexpr int kSumFrames = kSumThreads<T> / 8;

struct Tiling {
  std::int64_t rows, splines;
  unsigned row_tiles, spline_tiles;
  int tile_rows, tile_frames;
};

template <typename T>
Tiling tile(std::int64_t rows, std::int64_t splines) {
  const std::int64_t row_tiles = blocks_for(rows, kRows);
  const auto tile_rows = static_cast<int>(blocks_for(rows, row_tiles));
  return {rows,
          splines,
          static_cast<unsigned>(row_tiles),
          static_cast<unsigned>(blocks_for(splines, kBins)),
          tile_rows,
          std::min(kSumFrames<T>, kSumThreads<T> / tile_rows)};
}

/// The four splines of some columns at some frames: from which bin of the tile on, -1 where none is in it.
template <typename T>
struct Splines {
  alignas(16) T value[kSumFrames<T>][kColumns][4];
  std::int32_t bin[kSumFrames<T>][kColumns];
};

template <typename T>
__device__ void splines_at(T t, T (&b)[4]) {
  const T sixth = T{1} / 6;
  const T q = 1 - t;
  b[0] = sixth * q * q * q;
  b[1] = sixth * (4 + t * t * (3 * t - 6));
  b[2] = sixth * (4 + q * q * (3 * q - 6));
  b[3] = sixth * t * t * t;
}

/// Those of the four splines from bin `first` on that are in the tile.
template <typename T>
__device__ void put(Splines<T>& to, int frame, int column, std::int32_t first, const T (&b)[4]) {
  const bool inside = first > -4 && first < kBins;
  const std::int32_t bin = std::min(std::max(first, 0), kBins - 4);
  to.bin[frame][column] = inside ? bin : -1;
  T* const values = to.value[frame][column];
  for (int p = 0; p < 4; ++p) values[p] = 0;
  for (int p = 0; p < 4; ++p)
    if (first + p >= bin && first + p < bin + 4) values[first + p - bin] = b[p];
}

/// What a column adds at a frame. With one frame earlier in the same interval, the splines' difference is
/// `here` alone: half the additions where activity is slow.
template <typename T>
__device__ void put_column(const CoordinateRows& u, const Axis<T>& axis, std::int64_t frame, std::int64_t j,
                           std::int32_t first_bin, bool differenced, int slot, int column, Splines<T>& here,
                           Splines<T>& before) {
  const float* const at = u.data + u.frames[frame] * u.stride + j;
  const std::int32_t first = first_entry(axis, j) - first_bin;
  const Place<T> now = place_of(*at, axis);
  T b[4];
  splines_at(now.t, b);
  before.bin[slot][column] = -1;
  if (differenced) {
    const Place<T> then = place_of(*(at - u.stride), axis);
    T c[4];
    splines_at(then.t, c);
    const bool together = then.interval == now.interval;
    for (int p = 0; p < 4; ++p) {
      c[p] = -c[p];
      if (together) b[p] += c[p];
    }
    if (!together) put(before, slot, column, first + then.interval, c);
  }
  put(here, slot, column, first + now.interval, b);
}

template <typename T>
__device__ void add_splines(const Splines<T>& splines, int slot, int column, T weight, T* sums) {
  const std::int32_t bin = splines.bin[slot][column];
  if (bin < 0) return;
  T b[4], sum[4];
  for (int p = 0; p < 4; ++p) b[p] = splines.value[slot][column][p];
  for (int p = 0; p < 4; ++p) sum[p] = sums[(bin + p) * kSumThreads<T>] + weight * b[p];
  for (int p = 0; p < 4; ++p) sums[(bin + p) * kSumThreads<T>] = sum[p];
}

/// A block takes tile_frames frames x tile_rows rows x kBins splines; blocks of the same frames are
/// neighbours, so that their coordinates are read from memory once.
template <typename T>
__global__ void __launch_bounds__(kSumThreads<T>)
    sensitivity_kernel(CoordinateRows u, Axis<T> axis, const T* __restrict__ w, Tiling tiling,
                       bool differenced, T* __restrict__ out) {
  __shared__ T bins[kBins * kSumThreads<T>];
  __shared__ Splines<T> here, before;
  const int thread = static_cast<int>(threadIdx.x);
  const unsigned tiles = tiling.row_tiles * tiling.spline_tiles;
  const unsigned spline_tile = blockIdx.x % tiling.spline_tiles;
  const unsigned row_tile = blockIdx.x / tiling.spline_tiles % tiling.row_tiles;
  const std::int64_t first_frame = std::int64_t{blockIdx.x / tiles} * tiling.tile_frames;
  const auto first_bin = static_cast<std::int32_t>(spline_tile * kBins);
  const int slot = thread / tiling.tile_rows;
  const std::int64_t frame = first_frame + slot;
  const std::int64_t row = std::int64_t{row_tile} * tiling.tile_rows + thread % tiling.tile_rows;
  const bool owner = slot < tiling.tile_frames && frame < u.count && row < tiling.rows;

  T* const sums = bins + thread;
  for (int k = 0; k < kBins; ++k) sums[k * kSumThreads<T>] = 0;
  for (std::int64_t first = 0; first < u.columns; first += kColumns) {
    const auto count = static_cast<int>(std::min(std::int64_t{kColumns}, u.columns - first));
    __syncthreads();
    for (int k = thread; k < tiling.tile_frames * kColumns; k += kSumThreads<T>) {
      const int s = k / kColumns, c = k % kColumns;
      if (c < count && first_frame + s < u.count)
        put_column(u, axis, first_frame + s, first + c, first_bin, differenced, s, c, here, before);
    }
    __syncthreads();
    if (!owner) continue;
    for (int c = 0; c < count; c += kWeights) {
      T weights[kWeights];
      for (int i = 0; i < kWeights; ++i)
        weights[i] = w[(first + std::min(c + i, count - 1)) * tiling.rows + row];
      for (int i = 0; i < kWeights; ++i) {
        if (c + i >= count) break;
        add_splines(here, slot, c + i, weights[i], sums);
        if (differenced) add_splines(before, slot, c + i, weights[i], sums);
      }
    }
  }
  if (!owner) return;
  T* const to = out + (frame * tiling.rows + row) * tiling.splines + first_bin;
  const auto count = static_cast<int>(std::min(std::int64_t{kBins}, tiling.splines - first_bin));
  for (int k = 0; k < count; ++k) to[k] = sums[k * kSumThreads<T>];
}

template <typename T>
void sensitivity_of(const CoordinateRows& u, const CubicAxis& axis, const T* w, std::int64_t rows,
                    std::int64_t splines, bool differenced, T* out, cudaStream_t stream) {
  if (u.count == 0 || rows == 0) return;
  const Tiling tiling = tile<T>(rows, splines);
  const std::int64_t blocks =
      blocks_for(u.count, tiling.tile_frames) * tiling.row_tiles * tiling.spline_tiles;
  launch(sensitivity_kernel<T>, dim3(static_cast<unsigned>(blocks)), dim3(kSumThreads<T>), stream, u,
         Axis<T>(axis), w, tiling, differenced, out);
}

}  // namespace

void spline_values(const CoordinateRows& u, const CubicAxis& axis, const float* cubics, bool differenced,
                   float* out, cudaStream_t stream) {
  values_of(u, axis, cubics, differenced, out, stream);
}
void spline_values(const CoordinateRows& u, const CubicAxis& axis, const double* cubics, bool differenced,
                   double* out, cudaStream_t stream) {
  values_of(u, axis, cubics, differenced, out, stream);
}
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const float* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, float* out, cudaStream_t stream) {
  sensitivity_of(u, axis, w, rows, splines, differenced, out, stream);
}
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const double* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, double* out, cudaStream_t stream) {
  sensitivity_of(u, axis, w, rows, splines, differenced, out, stream);
}

}  // namespace weft::cuda
