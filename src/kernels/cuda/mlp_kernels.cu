#include <cstdint>

#include "kernels/cuda/mlp_kernels.hpp"

namespace weft::cuda {
namespace {

constexpr unsigned kHidden = static_cast<unsigned>(kMlpHidden);
constexpr unsigned kThreads = 128;
// Three blocks on each of 132 multiprocessors; a constant, for the order of the sums depends on it.
constexpr std::int64_t kMostBlocks = 396;
// Inputs whose gradients one pass over the first hidden layer's gradient sums up; phi* has three and a bias.
constexpr unsigned kInputsAtOnce = 4;

/// What one load or store of 16 bytes moves.
template <typename T>
struct alignas(16) Piece {
  static constexpr unsigned size = 16 / sizeof(T);
  T value[size];
};

__device__ __forceinline__ Piece<float> load_whole(const float* from) {
  const float4 whole = *reinterpret_cast<const float4*>(from);
  return {{whole.x, whole.y, whole.z, whole.w}};
}
__device__ __forceinline__ Piece<double> load_whole(const double* from) {
  const double2 whole = *reinterpret_cast<const double2*>(from);
  return {{whole.x, whole.y}};
}
__device__ __forceinline__ void store_whole(float* to, const Piece<float>& piece) {
  *reinterpret_cast<float4*>(to) = {piece.value[0], piece.value[1], piece.value[2], piece.value[3]};
}
__device__ __forceinline__ void store_whole(double* to, const Piece<double>& piece) {
  *reinterpret_cast<double2*>(to) = {piece.value[0], piece.value[1]};
}

template <bool Aligned, typename T>
__device__ __forceinline__ Piece<T> load(const T* from) {
  if constexpr (Aligned) {
    return load_whole(from);
  } else {
    Piece<T> piece;
    WEFT_PRAGMA(unroll)
    for (unsigned j = 0; j < Piece<T>::size; ++j) piece.value[j] = from[j];
    return piece;
  }
}

template <bool Aligned, typename T>
__device__ __forceinline__ void store(T* to, const Piece<T>& piece) {
  if constexpr (Aligned) {
    store_whole(to, piece);
  } else {
    WEFT_PRAGMA(unroll)
    for (unsigned j = 0; j < Piece<T>::size; ++j) to[j] = piece.value[j];
  }
}

// A tile of rows and 64 units takes 32 KB of shared memory; the other factor passes through 8 KB.
template <typename T>
constexpr unsigned kTile = 512 / sizeof(T);
template <typename T>
constexpr unsigned kChunk = 128 / sizeof(T);
template <typename T>
constexpr unsigned kPieces = kHidden / Piece<T>::size;

// A thread's share of a product: 8 rows, and two pieces of columns half the width apart, so that the threads
// beside each other read shared memory without gaps.
constexpr unsigned kOwnRows = 8;
template <typename T>
constexpr unsigned kOwnColumns = 2 * Piece<T>::size;
template <typename T>
constexpr unsigned kColumnThreads = kHidden / kOwnColumns<T>;
template <typename T>
using Sums = T[kOwnRows][kOwnColumns<T>];

/// The parts of a flat vector of parameters, or of their gradient.
template <typename T>
struct Layers {
  T *weight0, *bias0, *weight1, *bias1, *weight2, *bias2;

  __host__ __device__ Layers(T* flat, std::int64_t inputs)
      : weight0(flat),
        bias0(weight0 + kHidden * inputs),
        weight1(bias0 + kHidden),
        bias1(weight1 + kHidden * kHidden),
        weight2(bias1 + kHidden),
        bias2(weight2 + kHidden) {}
  static std::int64_t count(std::int64_t inputs) {
    return kHidden * (inputs + 1) + kHidden * (kHidden + 1) + kHidden + 1;
  }
};

/// A matrix in shared memory, (depth x Columns), read by pieces along a row. Pieces change places from one
/// group of rows to the next, so that a warp that writes a transposed matrix meets every bank once.
template <typename T, unsigned Columns>
struct Staged {
  static constexpr unsigned pieces = Columns / Piece<T>::size;
  Piece<T>* data;

  /// A piece of the first row of a group of Piece::size rows; the others' are `pieces` apart.
  __device__ __forceinline__ Piece<T>* group(unsigned group, unsigned index) const {
    return data + group * Piece<T>::size * pieces + (index ^ (group % 8));
  }
};

template <typename T>
using StagedTile = Staged<T, kTile<T>>;
template <typename T>
using StagedChunk = Staged<T, kHidden>;

/// Which units and rows of a tile a thread passes over where each entry is met once: one piece of units, and
/// the rows row, row + step, ... A warp covers 8 pieces of 4 rows.
template <typename T>
struct Sweep {
  static constexpr unsigned piece_warps = kPieces<T> / 8;
  static constexpr unsigned step = kThreads / kPieces<T>;
  static constexpr unsigned rows = kTile<T> / step;
  unsigned unit, row;

  __device__ Sweep()
      : unit((threadIdx.x / kWarp % piece_warps * 8 + threadIdx.x % 8) * Piece<T>::size),
        row(threadIdx.x / kWarp / piece_warps * 4 + threadIdx.x % kWarp / 8) {}

  /// The thread's place among sums of each of its units.
  __device__ __forceinline__ unsigned slot() const { return (row * kHidden + unit) / Piece<T>::size; }

  /// Puts the thread's units of `to_row`, one of its rows, where the row is a column.
  __device__ __forceinline__ void put_transposed(const Piece<T>& piece, unsigned to_row,
                                                 StagedTile<T> staged) const {
    Piece<T>* const place = staged.group(unit / Piece<T>::size, to_row / Piece<T>::size);
    WEFT_PRAGMA(unroll)
    for (unsigned j = 0; j < Piece<T>::size; ++j)
      place[j * StagedTile<T>::pieces].value[row % Piece<T>::size] = piece.value[j];
  }
};

/// Signed and wide at the end, without which nvcc makes four stores of one.
__device__ __forceinline__ std::int64_t offset(unsigned row, unsigned unit) {
  return static_cast<std::int64_t>(row * kHidden + unit);
}

template <typename T>
__device__ __forceinline__ unsigned rows_of_tile(std::int64_t begin, std::int64_t rows) {
  return rows - begin < kTile<T> ? static_cast<unsigned>(rows - begin) : kTile<T>;
}

/// The first hidden layer of a tile: to memory, and its transpose to shared memory. Rows beyond the last are
/// worked on as copies of it, and not stored.
template <bool Aligned, typename T>
__device__ __forceinline__ void first_layer(const Layers<const T>& layers, std::int64_t inputs,
                                            const T* input, unsigned count, T* first, StagedTile<T> staged) {
  const Sweep<T> own;
  const Piece<T> bias = load<Aligned>(layers.bias0 + own.unit);
  Piece<T> hidden[Sweep<T>::rows];
  WEFT_PRAGMA(unroll)
  for (Piece<T>& piece : hidden) piece = bias;
  for (std::int64_t i = 0; i < inputs; ++i) {
    T weight[Piece<T>::size];
    WEFT_PRAGMA(unroll)
    for (unsigned j = 0; j < Piece<T>::size; ++j) weight[j] = layers.weight0[(own.unit + j) * inputs + i];
    WEFT_PRAGMA(unroll)
    for (unsigned s = 0; s < Sweep<T>::rows; ++s) {
      const unsigned row = own.row + s * Sweep<T>::step;
      const T value = input[(row < count ? row : count - 1) * inputs + i];
      WEFT_PRAGMA(unroll)
      for (unsigned j = 0; j < Piece<T>::size; ++j) hidden[s].value[j] += weight[j] * value;
    }
  }
  WEFT_PRAGMA(unroll)
  for (unsigned s = 0; s < Sweep<T>::rows; ++s) {
    const unsigned row = own.row + s * Sweep<T>::step;
    WEFT_PRAGMA(unroll)
    for (T& value : hidden[s].value) value = value > 0 ? value : T{0};
    own.put_transposed(hidden[s], row, staged);
    if (row < count) store<Aligned>(first + offset(row, own.unit), hidden[s]);
  }
}

/// Columns of a (64 x 64) matrix, as rows of `staged`.
template <bool Aligned, typename T>
__device__ __forceinline__ void stage_columns(const T* matrix, StagedChunk<T> staged) {
  constexpr unsigned kSize = Piece<T>::size;
  const unsigned index = threadIdx.x % 8;
  WEFT_PRAGMA(unroll)
  for (unsigned s = 0; s < kHidden * 8 / kThreads; ++s) {
    const unsigned row = threadIdx.x / 8 + s * (kThreads / 8);
    const Piece<T> piece = load<Aligned>(matrix + row * kHidden + index * kSize);
    Piece<T>* const place = staged.group(index, row / kSize);
    WEFT_PRAGMA(unroll)
    for (unsigned j = 0; j < kSize; ++j)
      place[j * StagedChunk<T>::pieces].value[row % kSize] = piece.value[j];
  }
}

/// Rows of a matrix with 64 columns, of which `count` exist; zeros for the others.
template <bool Aligned, typename T>
__device__ __forceinline__ void stage_rows(const T* matrix, std::int64_t count, StagedChunk<T> staged) {
  constexpr unsigned kSize = Piece<T>::size, kEach = kChunk<T> * kPieces<T> / kThreads;
  const unsigned index = threadIdx.x % kPieces<T>, first_row = threadIdx.x / kPieces<T> * kEach;
  Piece<T> pieces[kEach];
  WEFT_PRAGMA(unroll)
  for (unsigned s = 0; s < kEach; ++s) {
    const unsigned row = first_row + s;
    pieces[s] = row < count ? load<Aligned>(matrix + offset(row, index * kSize)) : Piece<T>{};
  }
  WEFT_PRAGMA(unroll)
  for (unsigned s = 0; s < kEach; ++s)
    staged.group((first_row + s) / kSize, index)[s % kSize * StagedChunk<T>::pieces] = pieces[s];
}

/// sums[row][column] += sum_d a[depth + d][row] b[d][column] over the rows of b.
template <typename T>
__device__ __forceinline__ void add_product(StagedTile<T> a, unsigned depth, StagedChunk<T> b,
                                            Sums<T>& sums) {
  constexpr unsigned kSize = Piece<T>::size, kRowPieces = kOwnRows / kSize;
  const unsigned column_thread = threadIdx.x % kColumnThreads<T>;
  const unsigned row_thread = threadIdx.x / kColumnThreads<T>;
  WEFT_PRAGMA(unroll 1)
  for (unsigned group = 0; group < kChunk<T> / kSize; ++group) {
    const Piece<T>*rows[kRowPieces], *columns[2];
    WEFT_PRAGMA(unroll)
    for (unsigned q = 0; q < kRowPieces; ++q)
      rows[q] = a.group(depth / kSize + group, row_thread * kRowPieces + q);
    WEFT_PRAGMA(unroll)
    for (unsigned q = 0; q < 2; ++q) columns[q] = b.group(group, q * kColumnThreads<T> + column_thread);
    WEFT_PRAGMA(unroll)
    for (unsigned d = 0; d < kSize; ++d) {
      Piece<T> row[kRowPieces], column[2];
      WEFT_PRAGMA(unroll)
      for (unsigned q = 0; q < kRowPieces; ++q) row[q] = rows[q][d * StagedTile<T>::pieces];
      WEFT_PRAGMA(unroll)
      for (unsigned q = 0; q < 2; ++q) column[q] = columns[q][d * StagedChunk<T>::pieces];
      WEFT_PRAGMA(unroll)
      for (unsigned r = 0; r < kOwnRows; ++r) {
        WEFT_PRAGMA(unroll)
        for (unsigned c = 0; c < kOwnColumns<T>; ++c)
          sums[r][c] += row[r / kSize].value[r % kSize] * column[c / kSize].value[c % kSize];
      }
    }
  }
}

// A (64 x 64) product takes 64 threads of floats: two groups, each with its own half of a chunk's rows.
template <typename T>
constexpr unsigned kGroupThreads = kHidden / kOwnRows* kColumnThreads<T>;
template <typename T>
constexpr unsigned kGroups = kThreads / kGroupThreads<T>;

/// sums[unit][column] += sum_r a[unit][first_row + r] b[r][column] over this group's rows of b.
template <typename T>
__device__ __forceinline__ void add_outer_products(StagedTile<T> a, unsigned first_row, StagedChunk<T> b,
                                                   Sums<T>& sums) {
  constexpr unsigned kSize = Piece<T>::size, kRowGroups = kChunk<T> / kSize / kGroups<T>;
  const unsigned column_thread = threadIdx.x % kColumnThreads<T>;
  const unsigned unit = threadIdx.x % kGroupThreads<T> / kColumnThreads<T> * kOwnRows;
  const unsigned begin = threadIdx.x / kGroupThreads<T> * kRowGroups;
  WEFT_PRAGMA(unroll 1)
  for (unsigned group = begin; group < begin + kRowGroups; ++group) {
    Piece<T> column[kSize][2];
    WEFT_PRAGMA(unroll)
    for (unsigned q = 0; q < 2; ++q) {
      const Piece<T>* const from = b.group(group, q * kColumnThreads<T> + column_thread);
      WEFT_PRAGMA(unroll)
      for (unsigned d = 0; d < kSize; ++d) column[d][q] = from[d * StagedChunk<T>::pieces];
    }
    WEFT_PRAGMA(unroll)
    for (unsigned begin_unit = 0; begin_unit < kOwnRows; begin_unit += kSize) {
      const Piece<T>* const from = a.group((unit + begin_unit) / kSize, first_row / kSize + group);
      WEFT_PRAGMA(unroll)
      for (unsigned u = 0; u < kSize; ++u) {
        const Piece<T> row = from[u * StagedTile<T>::pieces];
        WEFT_PRAGMA(unroll)
        for (unsigned d = 0; d < kSize; ++d) {
          WEFT_PRAGMA(unroll)
          for (unsigned c = 0; c < kOwnColumns<T>; ++c)
            sums[begin_unit + u][c] += row.value[d] * column[d][c / kSize].value[c % kSize];
        }
      }
    }
  }
}

/// The second hidden layer of a tile and the output, from the product with weight1.
template <bool Aligned, typename T>
__device__ __forceinline__ void last_layers(const Layers<const T>& layers, const Sums<T>& sums,
                                            unsigned count, T* second, T* output) {
  constexpr unsigned kSize = Piece<T>::size;
  const unsigned column_thread = threadIdx.x % kColumnThreads<T>;
  const unsigned first_row = threadIdx.x / kColumnThreads<T> * kOwnRows;
  Piece<T> bias[2], weight[2];
  WEFT_PRAGMA(unroll)
  for (unsigned q = 0; q < 2; ++q) {
    const unsigned unit = (q * kColumnThreads<T> + column_thread) * kSize;
    bias[q] = load<Aligned>(layers.bias1 + unit);
    weight[q] = load<Aligned>(layers.weight2 + unit);
  }
  WEFT_PRAGMA(unroll)
  for (unsigned r = 0; r < kOwnRows; ++r) {
    const unsigned row = first_row + r;
    T total = 0;
    WEFT_PRAGMA(unroll)
    for (unsigned q = 0; q < 2; ++q) {
      Piece<T> hidden;
      WEFT_PRAGMA(unroll)
      for (unsigned j = 0; j < kSize; ++j) {
        const T value = sums[r][q * kSize + j] + bias[q].value[j];
        hidden.value[j] = value > 0 ? value : T{0};
        total += hidden.value[j] * weight[q].value[j];
      }
      if (row < count)
        store<Aligned>(second + offset(row, (q * kColumnThreads<T> + column_thread) * kSize), hidden);
    }
    WEFT_PRAGMA(unroll)
    for (unsigned mask = kColumnThreads<T> / 2; mask > 0; mask /= 2)
      total += __shfl_xor_sync(0xffffffffU, total, mask);
    if (column_thread == 0 && row < count) output[row] = total + *layers.bias2;
  }
}

template <typename T, bool Aligned>
__global__ void __launch_bounds__(kThreads, 4)
    forward_kernel(const T* __restrict__ parameters, std::int64_t inputs, const T* __restrict__ input,
                   std::int64_t rows, T* __restrict__ first, T* __restrict__ second, T* __restrict__ output) {
  __shared__ Piece<T> tile[kHidden * kTile<T> / Piece<T>::size];
  __shared__ Piece<T> chunk[kChunk<T> * kPieces<T>];
  const Layers<const T> layers(parameters, inputs);
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kTile<T>;
  const unsigned count = rows_of_tile<T>(begin, rows);
  first_layer<Aligned>(layers, inputs, input + begin * inputs, count, first + begin * kHidden,
                       StagedTile<T>{tile});
  Sums<T> sums = {};
  WEFT_PRAGMA(unroll 1)
  for (unsigned depth = 0; depth < kHidden; depth += kChunk<T>) {
    stage_columns<Aligned>(layers.weight1 + depth, StagedChunk<T>{chunk});
    __syncthreads();
    add_product<T>(StagedTile<T>{tile}, depth, StagedChunk<T>{chunk}, sums);
    __syncthreads();
  }
  last_layers<Aligned>(layers, sums, count, second + begin * kHidden, output + begin);
}

/// Each thread's units: their weights in the last layer, and what it has of their gradients. In shared
/// memory, for the products take the registers.
template <typename T>
struct UnitSums {
  Piece<T> weight[kThreads];
  Piece<T> bias1[kThreads];
  Piece<T> weight2[kThreads];
  T bias2[kThreads];
};

/// The sum over the threads that sweep over a unit.
template <typename T>
__device__ __forceinline__ T total_of_unit(const Piece<T>* sums, unsigned unit) {
  T total = 0;
  for (unsigned row = 0; row < Sweep<T>::step; ++row)
    total += sums[(row * kHidden + unit) / Piece<T>::size].value[unit % Piece<T>::size];
  return total;
}

/// The transposed gradient of a tile's second hidden layer before its ReLU; zeros for rows that do not exist.
template <bool Aligned, typename T>
__device__ __forceinline__ void stage_second_gradient(const T* second, const T* output_gradient,
                                                      unsigned count, StagedTile<T> staged,
                                                      UnitSums<T>& sums) {
  // Loads that wait together.
  constexpr unsigned kBatch = 8;
  const Sweep<T> own;
  const Piece<T> weight = sums.weight[own.slot()];
  Piece<T> of_bias1 = sums.bias1[own.slot()], of_weight2 = sums.weight2[own.slot()];
  T of_bias2 = sums.bias2[own.slot()];
  WEFT_PRAGMA(unroll 1)
  for (unsigned begin = 0; begin < kTile<T>; begin += kBatch * Sweep<T>::step) {
    Piece<T> hidden[kBatch];
    T slope[kBatch];
    WEFT_PRAGMA(unroll)
    for (unsigned s = 0; s < kBatch; ++s) {
      const unsigned row = begin + own.row + s * Sweep<T>::step;
      hidden[s] = row < count ? load<Aligned>(second + row * kHidden + own.unit) : Piece<T>{};
      slope[s] = row < count ? output_gradient[row] : T{0};
    }
    WEFT_PRAGMA(unroll)
    for (unsigned s = 0; s < kBatch; ++s) {
      Piece<T> back;
      of_bias2 += slope[s];
      WEFT_PRAGMA(unroll)
      for (unsigned j = 0; j < Piece<T>::size; ++j) {
        const T value = hidden[s].value[j];
        back.value[j] = value > 0 ? slope[s] * weight.value[j] : T{0};
        of_weight2.value[j] += slope[s] * value;
        of_bias1.value[j] += back.value[j];
      }
      own.put_transposed(back, begin + own.row + s * Sweep<T>::step, staged);
    }
  }
  sums.bias1[own.slot()] = of_bias1;
  sums.weight2[own.slot()] = of_weight2;
  sums.bias2[own.slot()] = of_bias2;
}

/// Through the ReLU: the gradient of a tile's first hidden layer.
template <bool Aligned, typename T>
__device__ __forceinline__ void store_first_gradient(const Sums<T>& sums, const T* __restrict__ first,
                                                     unsigned count, T* __restrict__ first_gradient) {
  constexpr unsigned kSize = Piece<T>::size;
  const unsigned column_thread = threadIdx.x % kColumnThreads<T>;
  const unsigned first_row = threadIdx.x / kColumnThreads<T> * kOwnRows;
  WEFT_PRAGMA(unroll)
  for (unsigned r = 0; r < kOwnRows; ++r) {
    if (first_row + r >= count) continue;
    WEFT_PRAGMA(unroll)
    for (unsigned q = 0; q < 2; ++q) {
      const std::int64_t place = offset(first_row + r, (q * kColumnThreads<T> + column_thread) * kSize);
      Piece<T> piece = load<Aligned>(first + place);
      WEFT_PRAGMA(unroll)
      for (unsigned j = 0; j < kSize; ++j)
        piece.value[j] = piece.value[j] > 0 ? sums[r][q * kSize + j] : T{0};
      store<Aligned>(first_gradient + place, piece);
    }
  }
}

/// Adds up what the groups of threads have of weight1's gradient.
template <typename T>
__device__ __forceinline__ void store_weight1_sums(Sums<T>& sums, Piece<T>* buffer, T* to) {
  constexpr unsigned kSize = Piece<T>::size;
  const unsigned group = threadIdx.x / kGroupThreads<T>;
  const unsigned column_thread = threadIdx.x % kColumnThreads<T>;
  const unsigned unit = threadIdx.x % kGroupThreads<T> / kColumnThreads<T> * kOwnRows;
  for (unsigned turn = kGroups<T>; turn-- > 0;) {
    if (group == turn) {
      WEFT_PRAGMA(unroll)
      for (unsigned u = 0; u < kOwnRows; ++u) {
        WEFT_PRAGMA(unroll)
        for (unsigned q = 0; q < 2; ++q) {
          const unsigned index = (unit + u) * kPieces<T> + q * kColumnThreads<T> + column_thread;
          Piece<T> piece = turn == kGroups<T> - 1 ? Piece<T>{} : buffer[index];
          WEFT_PRAGMA(unroll)
          for (unsigned j = 0; j < kSize; ++j) piece.value[j] += sums[u][q * kSize + j];
          if (turn > 0)
            buffer[index] = piece;
          else
            store<true>(to + index * kSize, piece);
        }
      }
    }
    __syncthreads();
  }
}

/// Tiles in turn to a block, whose share in the gradients of weight1, bias1, weight2 and bias2 goes to its
/// part of `partial`.
template <typename T, bool Aligned>
__global__ void __launch_bounds__(kThreads, 3)
    backward_kernel(const T* __restrict__ parameters, std::int64_t inputs, const T* __restrict__ first,
                    const T* __restrict__ second, const T* __restrict__ output_gradient, std::int64_t rows,
                    T* __restrict__ first_gradient, T* __restrict__ partial, std::int64_t part) {
  __shared__ Piece<T> tile[kHidden * kTile<T> / Piece<T>::size];
  __shared__ Piece<T> chunk[kChunk<T> * kPieces<T>];
  __shared__ UnitSums<T> units;
  const StagedTile<T> back{tile};
  const StagedChunk<T> other{chunk};
  const Layers<const T> layers(parameters, inputs);
  Sums<T> weight1 = {};
  const Sweep<T> own;
  const unsigned slot = own.slot();
  units.weight[slot] = load<Aligned>(layers.weight2 + own.unit);
  units.bias1[slot] = units.weight2[slot] = {};
  units.bias2[slot] = 0;
  for (std::int64_t index = blockIdx.x; index * kTile<T> < rows; index += gridDim.x) {
    const std::int64_t begin = index * kTile<T>;
    const unsigned count = rows_of_tile<T>(begin, rows);
    stage_second_gradient<Aligned>(second + begin * kHidden, output_gradient + begin, count, back, units);
    Sums<T> sums = {};
    WEFT_PRAGMA(unroll 1)
    for (unsigned unit = 0; unit < kHidden; unit += kChunk<T>) {
      stage_rows<Aligned>(layers.weight1 + unit * kHidden, kChunk<T>, other);
      __syncthreads();
      add_product<T>(back, unit, other, sums);
      __syncthreads();
    }
    store_first_gradient<Aligned>(sums, first + begin * kHidden, count, first_gradient + begin * kHidden);
    WEFT_PRAGMA(unroll 1)
    for (unsigned row = 0; row < kTile<T>; row += kChunk<T>) {
      stage_rows<Aligned>(first + (begin + row) * kHidden, static_cast<std::int64_t>(count) - row, other);
      __syncthreads();
      add_outer_products<T>(back, row, other, weight1);
      __syncthreads();
    }
  }
  const Layers<T> to(partial + blockIdx.x * part, inputs);
  store_weight1_sums<T>(weight1, tile, to.weight1);
  const unsigned unit = threadIdx.x;
  if (unit >= kHidden) return;
  to.bias1[unit] = total_of_unit(units.bias1, unit);
  to.weight2[unit] = total_of_unit(units.weight2, unit);
  if (unit > 0) return;
  T total = 0;
  for (unsigned row = 0; row < Sweep<T>::step; ++row) total += units.bias2[row * kPieces<T>];
  *to.bias2 = total;
}

/// The same for weight0 and bias0, as the weight of one more input that is 1; a few inputs for each
/// blockIdx.y.
template <typename T, bool Aligned>
__global__ void __launch_bounds__(kThreads)
    first_layer_kernel(std::int64_t inputs, const T* __restrict__ input, const T* __restrict__ first_gradient,
                       std::int64_t rows, T* __restrict__ partial, std::int64_t part) {
  __shared__ Piece<T> buffer[kThreads];
  const Sweep<T> own;
  const std::int64_t first_input = static_cast<std::int64_t>(blockIdx.y) * kInputsAtOnce;
  Piece<T> sums[kInputsAtOnce] = {};
  for (std::int64_t index = blockIdx.x; index * kTile<T> < rows; index += gridDim.x) {
    const std::int64_t begin = index * kTile<T>;
    const unsigned count = rows_of_tile<T>(begin, rows);
    WEFT_PRAGMA(unroll 8)
    for (unsigned s = 0; s < Sweep<T>::rows; ++s) {
      const std::int64_t row = begin + own.row + s * Sweep<T>::step;
      if (row >= begin + count) continue;
      const Piece<T> back = load<Aligned>(first_gradient + row * kHidden + own.unit);
      WEFT_PRAGMA(unroll)
      for (unsigned i = 0; i < kInputsAtOnce; ++i) {
        const T value = first_input + i < inputs ? input[row * inputs + first_input + i] : T{1};
        WEFT_PRAGMA(unroll)
        for (unsigned j = 0; j < Piece<T>::size; ++j) sums[i].value[j] += back.value[j] * value;
      }
    }
  }
  const Layers<T> to(partial + blockIdx.x * part, inputs);
  WEFT_PRAGMA(unroll)
  for (unsigned i = 0; i < kInputsAtOnce; ++i) {
    buffer[own.slot()] = sums[i];
    __syncthreads();
    const std::int64_t of = first_input + i;
    const unsigned unit = threadIdx.x;
    if (unit < kHidden && of <= inputs)
      (of < inputs ? to.weight0[unit * inputs + of] : to.bias0[unit]) = total_of_unit(buffer, unit);
    __syncthreads();
  }
}

constexpr unsigned kSlices = 8;

template <typename T>
__global__ void __launch_bounds__(kSlices* kWarp)
    add_parts_kernel(const T* __restrict__ partial, std::int64_t parts, std::int64_t part, std::int64_t count,
                     T* __restrict__ gradient) {
  __shared__ T totals[kSlices][kWarp];
  const unsigned slice = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  T total = 0;
  if (index < count) {
    WEFT_PRAGMA(unroll 8)
    for (std::int64_t p = slice; p < parts; p += kSlices) total += partial[p * part + index];
  }
  totals[slice][lane] = total;
  __syncthreads();
  if (slice > 0 || index >= count) return;
  for (unsigned other = 1; other < kSlices; ++other) total += totals[other][lane];
  gradient[index] += total;
}

template <typename... Pointers>
bool aligned(Pointers... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

dim3 grid(std::int64_t x, std::int64_t y = 1) {
  return dim3(static_cast<unsigned>(x), static_cast<unsigned>(y));
}

template <typename T>
void mlp_forward_of(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows, T* first,
                    T* second, T* output, cudaStream_t stream) {
  if (rows == 0) return;
  launch(aligned(parameters, first, second) ? forward_kernel<T, true> : forward_kernel<T, false>,
         grid(blocks_for(rows, kTile<T>)), dim3(kThreads), stream, parameters, inputs, input, rows, first,
         second, output);
}

template <typename T>
void mlp_backward_of(const T* parameters, std::int64_t inputs, const T* input, const T* first,
                     const T* second, const T* output_gradient, std::int64_t rows, T* gradient,
                     T* first_gradient, cudaStream_t stream) {
  if (rows == 0) return;
  const std::int64_t tiles = blocks_for(rows, kTile<T>);
  const std::int64_t blocks = tiles < kMostBlocks ? tiles : kMostBlocks;
  const std::int64_t count = Layers<T>::count(inputs);
  const std::int64_t part = blocks_for(count, Piece<T>::size) * Piece<T>::size;
  const Scratch<T> partial(blocks * part, stream);
  const bool whole = aligned(parameters, first, second, first_gradient);
  launch(whole ? backward_kernel<T, true> : backward_kernel<T, false>, grid(blocks), dim3(kThreads), stream,
         parameters, inputs, first, second, output_gradient, rows, first_gradient, partial.data(), part);
  launch(whole ? first_layer_kernel<T, true> : first_layer_kernel<T, false>,
         grid(blocks, blocks_for(inputs + 1, kInputsAtOnce)), dim3(kThreads), stream, inputs, input,
         static_cast<const T*>(first_gradient), rows, partial.data(), part);
  launch(add_parts_kernel<T>, grid(blocks_for(count, kWarp)), dim3(kSlices * kWarp), stream,
         static_cast<const T*>(partial.data()), blocks, part, count, gradient);
}

}  // namespace

void mlp_forward(const float* parameters, std::int64_t inputs, const float* input, std::int64_t rows,
                 float* first, float* second, float* output, cudaStream_t stream) {
  mlp_forward_of(parameters, inputs, input, rows, first, second, output, stream);
}
void mlp_forward(const double* parameters, std::int64_t inputs, const double* input, std::int64_t rows,
                 double* first, double* second, double* output, cudaStream_t stream) {
  mlp_forward_of(parameters, inputs, input, rows, first, second, output, stream);
}
void mlp_backward(const float* parameters, std::int64_t inputs, const float* input, const float* first,
                  const float* second, const float* output_gradient, std::int64_t rows, float* gradient,
                  float* first_gradient, cudaStream_t stream) {
  mlp_backward_of(parameters, inputs, input, first, second, output_gradient, rows, gradient, first_gradient,
                  stream);
}
void mlp_backward(const double* parameters, std::int64_t inputs, const double* input, const double* first,
                  const double* second, const double* output_gradient, std::int64_t rows, double* gradient,
                  double* first_gradient, cudaStream_t stream) {
  mlp_backward_of(parameters, inputs, input, first, second, output_gradient, rows, gradient, first_gradient,
                  stream);
}

}  // namespace weft::cuda
