#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/adam_element.hpp"
#include "kernels/cuda/row_kernels.hpp"
#include "kernels/cuda/sum_of_parts.hpp"

namespace weft::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kBatchTile = 8;  // vectors that one pass over W serves
constexpr int kRowTile = 4;    // rows of a warp: each value staged serves that many
constexpr int kAdamRows = 2;   // the same for Adam, whose moments take registers too
constexpr int kStagedBytes = 1 << 15;
// A row's sum is made of the sums of its segments, so that few long rows make enough blocks.
constexpr std::int64_t kSegment = 8192;

constexpr int kColumnThreads = 128;
constexpr int kRowsAtOnce = 8;  // loads of a thread under way
constexpr int kStagedRows = 64;
constexpr std::int64_t kColumnBlocks = 1024;  // about so many fill a GPU; more would write more partial sums
constexpr std::int64_t kSmallestSlab = 16;

/// What one load of 16 bytes brings.
template <typename T>
inline constexpr int kWidth = 16 / sizeof(T);
template <typename T>
struct alignas(16) Wide {
  T at[kWidth<T>];
};
/// Columns that a warp takes at a time.
template <typename T>
inline constexpr int kStep = kWarp* kWidth<T>;
/// Columns of `Vectors` vectors that are staged at a time.
template <typename T, int Vectors>
inline constexpr int kStagedColumns = kStagedBytes / static_cast<int>(sizeof(T)) / Vectors;

/// How threads side by side take columns: kWidth neighbours each, by one load (wide) or, where addresses are
/// not aligned, by one load a value (narrow); or every threads-th column (strided), where the number of
/// columns is no multiple of kWidth, so that rows one after the other cannot be aligned. A row's sum has one
/// order for wide and narrow and another for strided; the number of columns alone says which.
enum class Access { wide, narrow, strided };

template <typename T, Access access, int threads>
__device__ constexpr int column_of(int thread, int k) {
  return access == Access::strided ? k * threads + thread : thread * kWidth<T> + k;
}

template <typename T, Access access, int threads>
__device__ __forceinline__ Wide<T> load(const T* from, int thread) {
  if constexpr (access == Access::wide) {
    return *reinterpret_cast<const Wide<T>*>(from + column_of<T, access, threads>(thread, 0));
  } else {
    Wide<T> values;
    WEFT_PRAGMA(unroll)
    for (int k = 0; k < kWidth<T>; ++k) values.at[k] = from[column_of<T, access, threads>(thread, k)];
    return values;
  }
}

/// Of `count` columns; zeros beyond. Neighbours are inside or outside together.
template <typename T, Access access, int threads>
__device__ __forceinline__ Wide<T> load_part(const T* from, int thread, std::int64_t count) {
  Wide<T> values{};
  if constexpr (access == Access::strided) {
    WEFT_PRAGMA(unroll)
    for (int k = 0; k < kWidth<T>; ++k) {
      const int column = column_of<T, access, threads>(thread, k);
      if (column < count) values.at[k] = from[column];
    }
  } else if (column_of<T, access, threads>(thread, 0) < count) {
    values = load<T, access, threads>(from, thread);
  }
  return values;
}

template <typename T, Access access, int threads>
__device__ __forceinline__ void store_part(T* to, int thread, std::int64_t count, const Wide<T>& values) {
  if constexpr (access == Access::wide) {
    const int column = column_of<T, access, threads>(thread, 0);
    if (column < count) *reinterpret_cast<Wide<T>*>(to + column) = values;
  } else {
    WEFT_PRAGMA(unroll)
    for (int k = 0; k < kWidth<T>; ++k) {
      const int column = column_of<T, access, threads>(thread, k);
      if (column < count) to[column] = values.at[k];
    }
  }
}

/// Columns in shared memory, where addresses are always aligned.
template <typename T, Access access>
__device__ __forceinline__ Wide<T> load_staged(const T* from, int lane) {
  return load < T, access == Access::strided ? Access::strided : Access::wide, kWarp > (from, lane);
}

/// The first `count` columns of the first `batch` of vectors that lie `columns` apart; zeros beyond.
template <typename T, Access access, int B, int Columns>
__device__ __forceinline__ void stage(T (&staged)[B][Columns], const T* x, std::int64_t columns,
                                      std::int64_t count, std::int64_t batch) {
  constexpr int width = access == Access::wide ? kWidth<T> : 1;
  constexpr int pieces = Columns / width;
  // Loads under way together, as registers allow.
  [[maybe_unused]] constexpr int at_once = (access == Access::wide ? 16 : 32) / sizeof(T);
  WEFT_PRAGMA(unroll(at_once))
  for (int round = 0; round < B * pieces / kThreads; ++round) {
    const int piece = round * kThreads + static_cast<int>(threadIdx.x);
    const int b = piece / pieces, j = piece % pieces * width;
    const bool inside = b < batch && j < count;
    if constexpr (access == Access::wide) {
      *reinterpret_cast<Wide<T>*>(&staged[b][j]) =
          inside ? *reinterpret_cast<const Wide<T>*>(x + b * columns + j) : Wide<T>{};
    } else {
      staged[b][j] = inside ? x[b * columns + j] : T{0};
    }
  }
}

/// sums[r][b] += the products of one step. Fused by hand, so that every kernel gives the same bits.
template <typename T, Access access, int R, int B, int Columns>
__device__ __forceinline__ void add_products(T (&sums)[R][B], const Wide<T> (&w)[R],
                                             const T (&staged)[B][Columns], int j, int lane) {
  WEFT_PRAGMA(unroll)
  for (int b = 0; b < B; ++b) {
    const Wide<T> x = load_staged<T, access>(staged[b] + j, lane);
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < R; ++r) {
      WEFT_PRAGMA(unroll)
      for (int k = 0; k < kWidth<T>; ++k) sums[r][b] = std::fma(w[r].at[k], x.at[k], sums[r][b]);
    }
  }
}

template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
  WEFT_PRAGMA(unroll)
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffU, value, distance);
  }
  return value;
}

/// The sums of a warp's rows, from `first` on, with `batch` vectors.
template <typename T, int R, int B>
__device__ __forceinline__ void write_sums(const T (&sums)[R][B], std::int64_t first, std::int64_t rows,
                                           std::int64_t batch, int lane, T* out) {
  WEFT_PRAGMA(unroll)
  for (int b = 0; b < B; ++b) {
    if (b >= batch) continue;
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < R; ++r) {
      const T sum = warp_sum(sums[r][b]);
      if (lane == 0 && first + r < rows) out[b * rows + first + r] = sum;
    }
  }
}

/// A block takes kWarps * R rows and one segment of the columns.
struct WarpPlace {
  int lane;
  std::int64_t first_row, begin, end;
};
template <int R>
__device__ __forceinline__ WarpPlace warp_place(std::int64_t columns) {
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * kSegment;
  return {thread % kWarp, (static_cast<std::int64_t>(blockIdx.x) * kWarps + thread / kWarp) * R, begin,
          std::min(columns, begin + kSegment)};
}

template <typename T, Access access, int B, int Columns>
__device__ __forceinline__ void add_staged(T (&sums)[kRowTile][B], const T* const (&rows)[kRowTile],
                                           const T (&staged)[B][Columns], int count, int lane) {
  // Loads of so many steps are under way together; addresses of narrow ones take registers.
  constexpr int steps = access == Access::narrow ? 1 : 2;
  int j = 0;
  WEFT_PRAGMA(unroll 1)
  for (; j + steps * kStep<T> <= count; j += steps * kStep<T>) {
    Wide<T> w[steps][kRowTile];
    WEFT_PRAGMA(unroll)
    for (int s = 0; s < steps; ++s) {
      WEFT_PRAGMA(unroll)
      for (int r = 0; r < kRowTile; ++r) w[s][r] = load<T, access, kWarp>(rows[r] + j + s * kStep<T>, lane);
    }
    WEFT_PRAGMA(unroll)
    for (int s = 0; s < steps; ++s) add_products<T, access>(sums, w[s], staged, j + s * kStep<T>, lane);
  }
  WEFT_PRAGMA(unroll 1)
  for (; j < count; j += kStep<T>) {
    Wide<T> w[kRowTile];
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < kRowTile; ++r) w[r] = load_part<T, access, kWarp>(rows[r] + j, lane, count - j);
    add_products<T, access>(sums, w, staged, j, lane);
  }
}

/// out[segment][b][i].
template <typename T, Access access, int B>
__global__ void __launch_bounds__(kThreads, 2)
    row_product_kernel(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) {
  constexpr int columns = kStagedColumns<T, B>;
  alignas(16) __shared__ T staged[B][columns];
  const WarpPlace place = warp_place<kRowTile>(w.columns);
  const std::int64_t first_vector = static_cast<std::int64_t>(blockIdx.z) * B;
  x += first_vector * w.columns;
  const bool has_rows = place.first_row < w.rows;
  T sums[kRowTile][B] = {};
  for (std::int64_t start = place.begin; start < place.end; start += columns) {
    const int count = static_cast<int>(std::min<std::int64_t>(columns, place.end - start));
    __syncthreads();
    stage<T, access>(staged, x + start, w.columns, count, batch - first_vector);
    __syncthreads();
    if (!has_rows) continue;
    const T* rows[kRowTile];
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < kRowTile; ++r)
      rows[r] = w.data + std::min(place.first_row + r, w.rows - 1) * w.stride + start;
    add_staged<T, access>(sums, rows, staged, count, place.lane);
  }
  if (has_rows) {
    write_sums(sums, place.first_row, w.rows, batch - first_vector, place.lane,
               out + (static_cast<std::int64_t>(blockIdx.y) * batch + first_vector) * w.rows);
  }
}

template <typename T>
struct Entries {
  Wide<T> w[kAdamRows], m[kAdamRows], v[kAdamRows];
};

/// Where an entry and its moments lie: `w + at[r]` is row r's first column of the step.
template <typename T>
struct AdamMatrices {
  T *w, *m, *v;
  std::int64_t at[kAdamRows];
  bool own[kAdamRows];  // the others are read for nothing and not written

  template <Access access>
  __device__ __forceinline__ Entries<T> load_step(int lane, int count) const {
    Entries<T> entries;
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < kAdamRows; ++r) {
      entries.w[r] = load_part<T, access, kWarp>(w + at[r], lane, count);
      entries.m[r] = load_part<T, access, kWarp>(m + at[r], lane, count);
      entries.v[r] = load_part<T, access, kWarp>(v + at[r], lane, count);
    }
    return entries;
  }
  template <Access access>
  __device__ __forceinline__ void store_step(int lane, int count, const Entries<T>& entries) const {
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < kAdamRows; ++r) {
      const int written = own[r] ? count : 0;
      store_part<T, access, kWarp>(w + at[r], lane, written, entries.w[r]);
      store_part<T, access, kWarp>(m + at[r], lane, written, entries.m[r]);
      store_part<T, access, kWarp>(v + at[r], lane, written, entries.v[r]);
    }
  }
};

/// gradient[r] += g[r] x of one step.
template <typename T>
__device__ __forceinline__ void add_outer_product(Wide<T> (&gradient)[kAdamRows], const T* g,
                                                  const Wide<T>& x) {
  WEFT_PRAGMA(unroll)
  for (int r = 0; r < kAdamRows; ++r) {
    WEFT_PRAGMA(unroll)
    for (int k = 0; k < kWidth<T>; ++k) gradient[r].at[k] = std::fma(g[r], x.at[k], gradient[r].at[k]);
  }
}

/// The gradient's factors of the rows of a block, zeros beyond the batch and the last row.
template <typename T, int B>
__device__ __forceinline__ void stage_factors(T (&staged)[B][kWarps * kAdamRows], const AdamRowStep<T>& step,
                                              std::int64_t rows) {
  constexpr int block_rows = kWarps * kAdamRows;
  for (int piece = static_cast<int>(threadIdx.x); piece < B * block_rows; piece += kThreads) {
    const int b = piece / block_rows, r = piece % block_rows;
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * block_rows + r;
    staged[b][r] = b < step.batch && row < rows ? step.g[b * rows + row] : T{0};
  }
}

/// Adds the vectors from `b` on, which are not staged.
template <typename T, Access access>
__device__ __forceinline__ void add_rest(Wide<T> (&gradient)[kAdamRows], const AdamRowStep<T>& step,
                                         std::int64_t b, std::int64_t first_row, std::int64_t rows,
                                         std::int64_t columns, std::int64_t j, int lane) {
  WEFT_PRAGMA(unroll 1)
  for (; b < step.batch; ++b) {
    T g[kAdamRows];
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < kAdamRows; ++r) g[r] = first_row + r < rows ? step.g[b * rows + first_row + r] : T{0};
    add_outer_product(gradient, g, load_part<T, access, kWarp>(step.x + b * columns + j, lane, columns - j));
  }
}

template <typename T, Access access>
__device__ __forceinline__ void update(Entries<T>& entries, const Wide<T> (&gradient)[kAdamRows],
                                       const AdamConstants<T>& adam, const AdamRate<T>& rate,
                                       std::int64_t diagonal, int lane) {
  WEFT_PRAGMA(unroll)
  for (int r = 0; r < kAdamRows; ++r) {
    WEFT_PRAGMA(unroll)
    for (int k = 0; k < kWidth<T>; ++k) {
      T &w = entries.w[r].at[k], &m = entries.m[r].at[k], &v = entries.v[r].at[k];
      adam_element(w, m, v, gradient[r].at[k], adam, rate);
      if (column_of<T, access, kWarp>(lane, k) == diagonal + r) w = m = v = 0;
    }
  }
}

/// out[segment][b][i], where next_batch is at most B. Vectors of the gradient beyond B, which are not staged,
/// come from L2.
template <typename T, Access access, int B>
__global__ void __launch_bounds__(kThreads, 2)
    adam_kernel(RowBlock<T> w, T* m, T* v, AdamRowStep<T> step, AdamConstants<T> adam, const T* next,
                std::int64_t next_batch, T* out) {
  constexpr int columns = kStagedColumns<T, 2 * B>;
  alignas(16) __shared__ T staged[B][columns];
  alignas(16) __shared__ T staged_next[B][columns];
  alignas(16) __shared__ T factors[B][kWarps * kAdamRows];
  const WarpPlace place = warp_place<kAdamRows>(w.columns);
  const bool has_rows = place.first_row < w.rows;
  const AdamRate<T> rate(*step.factors);
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * kAdamRows;
  stage_factors(factors, step, w.rows);
  AdamMatrices<T> matrices{w.data, m, v, {}, {}};
  WEFT_PRAGMA(unroll)
  for (int r = 0; r < kAdamRows; ++r) {
    matrices.own[r] = place.first_row + r < w.rows;
    matrices.at[r] = std::min(place.first_row + r, w.rows - 1) * w.stride + place.begin;
  }

  T sums[kAdamRows][B] = {};
  for (std::int64_t start = place.begin; start < place.end; start += columns) {
    const int count = static_cast<int>(std::min<std::int64_t>(columns, place.end - start));
    __syncthreads();
    stage<T, access>(staged, step.x + start, w.columns, count, step.batch);
    if (next_batch > 0) stage<T, access>(staged_next, next + start, w.columns, count, next_batch);
    __syncthreads();
    WEFT_PRAGMA(unroll 1)
    for (int j = 0; has_rows && j < count; j += kStep<T>) {
      Entries<T> entries = matrices.template load_step<access>(place.lane, count - j);
      Wide<T> gradient[kAdamRows] = {};
      WEFT_PRAGMA(unroll)
      for (int b = 0; b < B; ++b)
        add_outer_product(gradient, factors[b] + warp_row, load_staged<T, access>(staged[b] + j, place.lane));
      if (step.batch > B) {
        add_rest<T, access>(gradient, step, B, place.first_row, w.rows, w.columns, start + j, place.lane);
      }
      update<T, access>(entries, gradient, adam, rate, step.first_row + place.first_row - start - j,
                        place.lane);
      matrices.template store_step<access>(place.lane, count - j, entries);
      if (next_batch > 0) add_products<T, access>(sums, entries.w, staged_next, j, place.lane);
      WEFT_PRAGMA(unroll)
      for (int r = 0; r < kAdamRows; ++r) matrices.at[r] += kStep<T>;
    }
  }
  if (has_rows) {
    write_sums(sums, place.first_row, w.rows, next_batch, place.lane,
               out + static_cast<std::int64_t>(blockIdx.y) * next_batch * w.rows);
  }
}

/// sums[b] += factors[i][b] times row i, over `count` rows.
template <typename T, Access access, bool whole, int B>
__device__ __forceinline__ void add_rows(Wide<T> (&sums)[B], const T* row, std::int64_t stride,
                                         const T (&factors)[kStagedRows][B], int count, int thread,
                                         std::int64_t columns) {
  const auto load_row = [&](int i) {
    if constexpr (whole) return load<T, access, kColumnThreads>(row + i * stride, thread);
    return load_part<T, access, kColumnThreads>(row + i * stride, thread, columns);
  };
  const auto add = [&](const Wide<T>& w, int i) {
    WEFT_PRAGMA(unroll)
    for (int b = 0; b < B; ++b) {
      WEFT_PRAGMA(unroll)
      for (int k = 0; k < kWidth<T>; ++k) sums[b].at[k] = std::fma(factors[i][b], w.at[k], sums[b].at[k]);
    }
  };
  int i = 0;
  WEFT_PRAGMA(unroll 1)
  for (; i + kRowsAtOnce <= count; i += kRowsAtOnce) {
    Wide<T> w[kRowsAtOnce];
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < kRowsAtOnce; ++r) w[r] = load_row(i + r);
    WEFT_PRAGMA(unroll)
    for (int r = 0; r < kRowsAtOnce; ++r) add(w[r], i + r);
  }
  WEFT_PRAGMA(unroll 1)
  for (; i < count; ++i) add(load_row(i), i);
}

/// out[slab][b][j]: a block takes a range of columns and a slab of `slab` rows.
template <typename T, Access access, int B>
__global__ void __launch_bounds__(kColumnThreads, 4)
    column_product_kernel(RowBlock<const T> w, const T* g, std::int64_t batch, std::int64_t slab, T* out) {
  alignas(16) __shared__ T factors[kStagedRows][B];
  constexpr int range = kColumnThreads * kWidth<T>;
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t first_column = static_cast<std::int64_t>(blockIdx.x) * range;
  const std::int64_t columns = w.columns - first_column;
  const std::int64_t first_vector = static_cast<std::int64_t>(blockIdx.z) * B;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * slab;
  const std::int64_t end = std::min(w.rows, begin + slab);
  Wide<T> sums[B] = {};
  for (std::int64_t i = begin; i < end; i += kStagedRows) {
    const int count = static_cast<int>(std::min<std::int64_t>(kStagedRows, end - i));
    __syncthreads();
    for (int piece = thread; piece < B * kStagedRows; piece += kColumnThreads) {
      const int b = piece / kStagedRows, r = piece % kStagedRows;
      factors[r][b] = first_vector + b < batch && r < count ? g[(first_vector + b) * w.rows + i + r] : T{0};
    }
    __syncthreads();
    const T* row = w.data + i * w.stride + first_column;
    if (columns >= range) {
      add_rows<T, access, true>(sums, row, w.stride, factors, count, thread, columns);
    } else {
      add_rows<T, access, false>(sums, row, w.stride, factors, count, thread, columns);
    }
  }
  out += (static_cast<std::int64_t>(blockIdx.y) * batch + first_vector) * w.columns + first_column;
  WEFT_PRAGMA(unroll)
  for (int b = 0; b < B; ++b) {
    if (first_vector + b < batch)
      store_part<T, access, kColumnThreads>(out + b * w.columns, thread, columns, sums[b]);
  }
}

dim3 grid(std::int64_t x, std::int64_t y, std::int64_t z = 1) {
  return {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)};
}

bool aligned(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; }

template <Access access>
using AccessConstant = std::integral_constant<Access, access>;
template <int B>
using TileConstant = std::integral_constant<int, B>;

/// Calls `run` with the tile of vectors that serves `batch`.
template <typename Run>
void with_tile(std::int64_t batch, Run run) {
  if (batch <= 1) return run(TileConstant<1>{});
  if (batch <= 4) return run(TileConstant<4>{});
  return run(TileConstant<kBatchTile>{});
}

template <typename T, typename Run>
void with_access_and_tile(std::int64_t columns, bool wide, std::int64_t batch, Run run) {
  with_tile(batch, [&](auto tile) {
    if (columns % kWidth<T> != 0) return run(AccessConstant<Access::strided>{}, tile);
    if (wide) return run(AccessConstant<Access::wide>{}, tile);
    return run(AccessConstant<Access::narrow>{}, tile);
  });
}

std::int64_t segments_of(std::int64_t columns) {
  return std::max<std::int64_t>(1, blocks_for(columns, kSegment));
}

template <typename T>
void row_product_of(RowBlock<const T> w, const T* x, std::int64_t batch, T* out, cudaStream_t stream) {
  if (w.rows == 0 || batch == 0) return;
  const bool wide = aligned(w.data) && w.stride % kWidth<T> == 0 && aligned(x);
  const std::int64_t segments = segments_of(w.columns);
  sum_of_parts(segments, batch * w.rows, out, stream, [&](T* parts) {
    with_access_and_tile<T>(w.columns, wide, batch, [&](auto access, auto tile) {
      const dim3 blocks = grid(blocks_for(w.rows, kWarps * kRowTile), segments, blocks_for(batch, tile));
      launch(row_product_kernel<T, access, tile>, blocks, dim3(kThreads), stream, w, x, batch, parts);
    });
  });
}

template <typename T>
void column_product_of(RowBlock<const T> w, const T* g, std::int64_t batch, T* out, cudaStream_t stream) {
  if (w.columns == 0 || batch == 0) return;
  const std::int64_t ranges = blocks_for(w.columns, kColumnThreads * kWidth<T>);
  const std::int64_t wanted = std::min(blocks_for(kColumnBlocks, ranges), blocks_for(w.rows, kSmallestSlab));
  const std::int64_t slab = blocks_for(w.rows, std::max<std::int64_t>(1, wanted));
  const std::int64_t slabs = slab == 0 ? 1 : blocks_for(w.rows, slab);
  const bool packed =
      aligned(w.data) && w.stride % kWidth<T> == 0 && aligned(out) && w.columns % kWidth<T> == 0;
  sum_of_parts(slabs, batch * w.columns, out, stream, [&](T* parts) {
    with_tile(batch, [&](auto tile) {
      const dim3 blocks = grid(ranges, slabs, blocks_for(batch, tile));
      const auto kernel = packed ? column_product_kernel<T, Access::wide, tile>
                                 : column_product_kernel<T, Access::strided, tile>;
      launch(kernel, blocks, dim3(kColumnThreads), stream, w, g, batch, slab, parts);
    });
  });
}

template <typename T>
void adam_row_product_of(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                         std::int64_t next_batch, T* out, cudaStream_t stream) {
  if (w.rows == 0 || w.columns == 0) return;
  const bool wide = aligned(w.data) && aligned(m) && aligned(v) && w.stride % kWidth<T> == 0 &&
                    aligned(step.x) && aligned(next);
  const std::int64_t within = std::min<std::int64_t>(next_batch, kBatchTile);
  const std::int64_t segments = segments_of(w.columns);
  const auto run = [&](T* parts) {
    with_access_and_tile<T>(w.columns, wide, std::max(step.batch, within), [&](auto access, auto tile) {
      launch(adam_kernel<T, access, tile>, grid(blocks_for(w.rows, kWarps * kAdamRows), segments),
             dim3(kThreads), stream, w, m, v, step, AdamConstants<T>(step), next, within, parts);
    });
  };
  if (next_batch == 0) return run(nullptr);
  sum_of_parts(segments, within * w.rows, out, stream, run);
  row_product_of<T>({w.data, w.rows, w.columns, w.stride}, next + within * w.columns, next_batch - within,
                    out + within * w.rows, stream);
}

}  // namespace

void row_product(RowBlock<const float> w, const float* x, std::int64_t batch, float* out,
                 cudaStream_t stream) {
  row_product_of(w, x, batch, out, stream);
}
void row_product(RowBlock<const double> w, const double* x, std::int64_t batch, double* out,
                 cudaStream_t stream) {
  row_product_of(w, x, batch, out, stream);
}
void column_product(RowBlock<const float> w, const float* g, std::int64_t batch, float* out,
                    cudaStream_t stream) {
  column_product_of(w, g, batch, out, stream);
}
void column_product(RowBlock<const double> w, const double* g, std::int64_t batch, double* out,
                    cudaStream_t stream) {
  column_product_of(w, g, batch, out, stream);
}
void adam_row_product(RowBlock<float> w, float* m, float* v, const AdamRowStep<float>& step,
                      const float* next, std::int64_t next_batch, float* out, cudaStream_t stream) {
  adam_row_product_of(w, m, v, step, next, next_batch, out, stream);
}
void adam_row_product(RowBlock<double> w, double* m, double* v, const AdamRowStep<double>& step,
                      const double* next, std::int64_t next_batch, double* out, cudaStream_t stream) {
  adam_row_product_of(w, m, v, step, next, next_batch, out, stream);
}

}  // namespace weft::cuda
