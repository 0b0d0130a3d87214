#include <algorithm>

#include "kernels/cuda/dot_kernels.hpp"
#include "kernels/cuda/sum_of_parts.hpp"

namespace weft::cuda {
namespace {

/// What one load brings: a lane takes the same numbers, in the same order, whether or not they are aligned.
template <typename T>
struct alignas(16) Vector {
  static constexpr int width = 16 / sizeof(T);
  T v[width];
};
template <typename T>
constexpr int kWidth = Vector<T>::width;

template <typename T>
bool is_aligned(RowBlock<const T> a) {
  return reinterpret_cast<std::uintptr_t>(a.data) % 16 == 0 && (a.rows <= 1 || a.stride % kWidth<T> == 0);
}

/// `count` numbers, 0 beyond them.
template <typename T, bool Aligned>
__device__ Vector<T> load(const T* __restrict__ from, std::int64_t count) {
  if (Aligned && count >= kWidth<T>) return *reinterpret_cast<const Vector<T>*>(from);
  Vector<T> result;
  for (int k = 0; k < kWidth<T>; ++k) result.v[k] = k < count ? from[k] : T{0};
  return result;
}

template <typename T>
__device__ void add_products(const Vector<T>& a, const Vector<T>& b, double (&sums)[kWidth<T>]) {
  for (int k = 0; k < kWidth<T>; ++k) sums[k] += static_cast<double>(a.v[k]) * static_cast<double>(b.v[k]);
}

constexpr int kThreads = 256;

// Loads of each matrix that a thread has under way.
constexpr int kLoads = 4;

// Columns of a row that one warp sums: enough warps where rows are few, and a sum's cost small.
constexpr std::int64_t kPartColumns = 2048;

/// A warp takes kPartColumns columns of a row; out is (parts x rows).
template <typename T, bool Aligned>
__global__ void __launch_bounds__(kThreads)
    row_kernel(RowBlock<const T> a, RowBlock<const T> b, unsigned row_blocks, double* __restrict__ out) {
  constexpr int kStep = kWarp * kWidth<T>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t row =
      std::int64_t{blockIdx.x % row_blocks} * (kThreads / kWarp) + static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t part = blockIdx.x / row_blocks;
  if (row >= a.rows) return;
  const std::int64_t end = std::min(a.columns, (part + 1) * kPartColumns);
  const T* const of_a = a.data + row * a.stride;
  const T* const of_b = b.data + row * b.stride;
  double sums[kWidth<T>] = {};
  for (std::int64_t first = part * kPartColumns + lane * kWidth<T>; first < end; first += kLoads * kStep) {
    Vector<T> from_a[kLoads], from_b[kLoads];
    for (int k = 0; k < kLoads; ++k) {
      const std::int64_t j = first + k * kStep;
      from_a[k] = load<T, Aligned>(of_a + j, end - j);
      from_b[k] = load<T, Aligned>(of_b + j, end - j);
    }
    for (int k = 0; k < kLoads; ++k) add_products(from_a[k], from_b[k], sums);
  }
  double sum = 0;
  for (int k = 0; k < kWidth<T>; ++k) sum += sums[k];
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(0xffffffffU, sum, distance);
  if (lane == 0) out[part * a.rows + row] = sum;
}

template <typename T>
void row_dots_of(RowBlock<const T> a, RowBlock<const T> b, double* out, cudaStream_t stream) {
  if (a.rows == 0) return;
  const std::int64_t parts = std::max<std::int64_t>(1, blocks_for(a.columns, kPartColumns));
  const std::int64_t row_blocks = blocks_for(a.rows, kThreads / kWarp);
  const auto kernel = is_aligned(a) && is_aligned(b) ? row_kernel<T, true> : row_kernel<T, false>;
  sum_of_parts(parts, a.rows, out, stream, [&](double* sums) {
    launch(kernel, dim3(static_cast<unsigned>(row_blocks * parts)), dim3(kThreads), stream, a, b,
           static_cast<unsigned>(row_blocks), sums);
  });
}

constexpr int kColumnThreads = 128;
// Rows of a part at least, and blocks that fill a GPU.
constexpr std::int64_t kPartRows = 32, kEnoughBlocks = 2048;

/// A thread takes kWidth columns of part_rows rows; out is (parts x columns).
template <typename T, bool Aligned>
__global__ void __launch_bounds__(kColumnThreads)
    column_kernel(RowBlock<const T> a, RowBlock<const T> b, unsigned tiles, std::int64_t part_rows,
                  double* __restrict__ out) {
  const std::int64_t j =
      (std::int64_t{blockIdx.x % tiles} * kColumnThreads + static_cast<int>(threadIdx.x)) * kWidth<T>;
  const std::int64_t part = blockIdx.x / tiles;
  if (j >= a.columns) return;
  const std::int64_t count = a.columns - j;
  const std::int64_t end = std::min(a.rows, (part + 1) * part_rows);
  double sums[kWidth<T>] = {};
  for (std::int64_t first = part * part_rows; first < end; first += kLoads) {
    Vector<T> from_a[kLoads], from_b[kLoads];
    for (int k = 0; k < kLoads; ++k) {
      const std::int64_t inside = first + k < end ? count : 0;
      from_a[k] = load<T, Aligned>(a.data + (first + k) * a.stride + j, inside);
      from_b[k] = load<T, Aligned>(b.data + (first + k) * b.stride + j, inside);
    }
    for (int k = 0; k < kLoads; ++k) add_products(from_a[k], from_b[k], sums);
  }
  for (int k = 0; k < kWidth<T>; ++k)
    if (k < count) out[part * a.columns + j + k] = sums[k];
}

template <typename T>
void column_dots_of(RowBlock<const T> a, RowBlock<const T> b, double* out, cudaStream_t stream) {
  if (a.columns == 0) return;
  const std::int64_t tiles = blocks_for(a.columns, kColumnThreads * kWidth<T>);
  const std::int64_t wanted = std::min(blocks_for(kEnoughBlocks, tiles), blocks_for(a.rows, kPartRows));
  const std::int64_t part_rows =
      std::max<std::int64_t>(1, blocks_for(a.rows, std::max<std::int64_t>(1, wanted)));
  const std::int64_t parts = std::max<std::int64_t>(1, blocks_for(a.rows, part_rows));
  const auto kernel = is_aligned(a) && is_aligned(b) ? column_kernel<T, true> : column_kernel<T, false>;
  sum_of_parts(parts, a.columns, out, stream, [&](double* sums) {
    launch(kernel, dim3(static_cast<unsigned>(tiles * parts)), dim3(kColumnThreads), stream, a, b,
           static_cast<unsigned>(tiles), part_rows, sums);
  });
}

}  // namespace

void row_dots(RowBlock<const float> a, RowBlock<const float> b, double* out, cudaStream_t stream) {
  row_dots_of(a, b, out, stream);
}
void row_dots(RowBlock<const double> a, RowBlock<const double> b, double* out, cudaStream_t stream) {
  row_dots_of(a, b, out, stream);
}
void column_dots(RowBlock<const float> a, RowBlock<const float> b, double* out, cudaStream_t stream) {
  column_dots_of(a, b, out, stream);
}
void column_dots(RowBlock<const double> a, RowBlock<const double> b, double* out, cudaStream_t stream) {
  column_dots_of(a, b, out, stream);
}

}  // namespace weft::cuda
