// Compiled once for each instruction set: WEFT_ISA names the namespace, WEFT_VECTOR_BYTES the register width.
#include "kernels/isa/mlp_kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <omp.h>

#include "kernels/isa/vector.hpp"

namespace weft::WEFT_ISA {
namespace {

constexpr std::int64_t kHidden = kMlpHidden;
// Rows that are worked on together: their hidden layers stay in level 1 and 2 cache.
constexpr std::int64_t kTile = 48;
// Below this many rows a second thread costs more than it brings.
constexpr std::int64_t kParallelRows = 256;
// A block of accumulators, rows x vectors, that the registers hold beside a row of b.
constexpr int kBlockRows = 6;
constexpr int kPanel = WEFT_VECTOR_BYTES == 64 ? 4 : 2;

/// The parts of a flat vector of parameters, or of their gradient.
template <typename T>
struct Layers {
  T *weight0, *bias0, *weight1, *bias1, *weight2, *bias2;

  Layers(T* flat, std::int64_t inputs)
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

/// A matrix whose entry (row, k) is data[row * row_stride + k * k_stride].
template <typename T>
struct Strided {
  const T* data;
  std::int64_t row_stride;
  std::int64_t k_stride;
};

/// c[row][j] (+)= start[j] + sum_k a(row, k) b[k][j] for `Rows` rows from `row` on and one panel of columns
/// from j on.
template <int Rows, typename T>
void product_block(Strided<T> a, std::int64_t depth, const T* b, const T* start, bool add, T* c,
                   std::int64_t row, std::int64_t j) {
  using V = Vector<T>;
  typename V::Register sums[Rows][kPanel];
  for (int r = 0; r < Rows; ++r) {
    for (int p = 0; p < kPanel; ++p) {
      sums[r][p] = add ? V::load(c + (row + r) * kHidden + j + p * V::lanes)
                       : (start != nullptr ? V::load(start + j + p * V::lanes) : typename V::Register{});
    }
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    typename V::Register panel[kPanel];
    for (int p = 0; p < kPanel; ++p) panel[p] = V::load(b + k * kHidden + j + p * V::lanes);
    for (int r = 0; r < Rows; ++r) {
      const T factor = a.data[(row + r) * a.row_stride + k * a.k_stride];
      for (int p = 0; p < kPanel; ++p) sums[r][p] += factor * panel[p];
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int p = 0; p < kPanel; ++p) V::store(c + (row + r) * kHidden + j + p * V::lanes, sums[r][p]);
  }
}

/// c (rows x 64) = start + a b, or c += a b; a is (rows x depth), b (depth x 64).
template <typename T>
void product(Strided<T> a, std::int64_t rows, std::int64_t depth, const T* b, const T* start, bool add,
             T* c) {
  for (std::int64_t j = 0; j < kHidden; j += kPanel * Vector<T>::lanes) {
    std::int64_t row = 0;
    for (; row + kBlockRows <= rows; row += kBlockRows)
      product_block<kBlockRows>(a, depth, b, start, add, c, row, j);
    for (; row + 2 <= rows; row += 2) product_block<2>(a, depth, b, start, add, c, row, j);
    for (; row < rows; ++row) product_block<1>(a, depth, b, start, add, c, row, j);
  }
}

template <typename T>
void relu(T* values, std::int64_t count) {
#pragma omp simd
  for (std::int64_t k = 0; k < count; ++k) values[k] = values[k] > 0 ? values[k] : T{0};
}

/// (rows x columns) to (columns x rows).
template <typename T>
std::vector<T> transposed(const T* matrix, std::int64_t rows, std::int64_t columns) {
  std::vector<T> result(static_cast<std::size_t>(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j)
      result[static_cast<std::size_t>(j * rows + i)] = matrix[i * columns + j];
  }
  return result;
}

template <typename T>
void mlp_forward_of(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows, T* first,
                    T* second, T* output) {
  const Layers<const T> layers(parameters, inputs);
  const std::vector<T> weight0 = transposed(layers.weight0, kHidden, inputs);
  const std::vector<T> weight1 = transposed(layers.weight1, kHidden, kHidden);
#pragma omp parallel for schedule(static) if (rows >= kParallelRows)
  for (std::int64_t begin = 0; begin < rows; begin += kTile) {
    const std::int64_t count = std::min(kTile, rows - begin);
    T* const first_tile = first + begin * kHidden;
    T* const second_tile = second + begin * kHidden;
    product<T>({input + begin * inputs, inputs, 1}, count, inputs, weight0.data(), layers.bias0, false,
               first_tile);
    relu(first_tile, count * kHidden);
    product<T>({first_tile, kHidden, 1}, count, kHidden, weight1.data(), layers.bias1, false, second_tile);
    relu(second_tile, count * kHidden);
    for (std::int64_t r = 0; r < count; ++r) {
      T sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t c = 0; c < kHidden; ++c) sum += second_tile[r * kHidden + c] * layers.weight2[c];
      output[begin + r] = sum + *layers.bias2;
    }
  }
}

/// The share of a tile in all gradients, added to `sums`, whose weight0 is transposed, (inputs x 64).
template <typename T>
void tile_backward(const Layers<const T>& layers, std::int64_t inputs, const T* input, const T* first,
                   const T* second, const T* output_gradient, std::int64_t rows, const Layers<T>& sums,
                   T* first_gradient) {
  T second_gradient[kTile * kHidden];
  for (std::int64_t r = 0; r < rows; ++r) {
    const T slope = output_gradient[r];
    *sums.bias2 += slope;
#pragma omp simd
    for (std::int64_t c = 0; c < kHidden; ++c) {
      const T value = second[r * kHidden + c];
      const T back = value > 0 ? slope * layers.weight2[c] : T{0};
      second_gradient[r * kHidden + c] = back;
      sums.weight2[c] += slope * value;
      sums.bias1[c] += back;
    }
  }
  product<T>({second_gradient, 1, kHidden}, kHidden, rows, first, nullptr, true, sums.weight1);
  product<T>({second_gradient, kHidden, 1}, rows, kHidden, layers.weight1, nullptr, false, first_gradient);
  for (std::int64_t r = 0; r < rows; ++r) {
    T* const back = first_gradient + r * kHidden;
#pragma omp simd
    for (std::int64_t c = 0; c < kHidden; ++c) {
      back[c] = first[r * kHidden + c] > 0 ? back[c] : T{0};
      sums.bias0[c] += back[c];
    }
    for (std::int64_t i = 0; i < inputs; ++i) {
      const T value = input[r * inputs + i];
#pragma omp simd
      for (std::int64_t c = 0; c < kHidden; ++c) sums.weight0[i * kHidden + c] += back[c] * value;
    }
  }
}

template <typename T>
void mlp_backward_of(const T* parameters, std::int64_t inputs, const T* input, const T* first,
                     const T* second, const T* output_gradient, std::int64_t rows, T* gradient,
                     T* first_gradient) {
  const Layers<const T> layers(parameters, inputs);
  const auto length = static_cast<std::size_t>(Layers<T>::count(inputs));
  std::vector<std::vector<T>> partial(static_cast<std::size_t>(omp_get_max_threads()));
#pragma omp parallel if (rows >= kParallelRows)
  {
    std::vector<T>& own = partial[static_cast<std::size_t>(omp_get_thread_num())];
    own.assign(length, T{0});
    const Layers<T> sums(own.data(), inputs);
#pragma omp for schedule(static)
    for (std::int64_t begin = 0; begin < rows; begin += kTile) {
      tile_backward(layers, inputs, input + begin * inputs, first + begin * kHidden, second + begin * kHidden,
                    output_gradient + begin, std::min(kTile, rows - begin), sums,
                    first_gradient + begin * kHidden);
    }
  }
  const std::int64_t first_layer = kHidden * inputs;
  for (const std::vector<T>& one : partial) {
    if (one.empty()) continue;  // a thread that the team did without
    const std::vector<T> weight0 = transposed(one.data(), inputs, kHidden);
    for (std::int64_t k = 0; k < first_layer; ++k) gradient[k] += weight0[static_cast<std::size_t>(k)];
    for (std::size_t k = static_cast<std::size_t>(first_layer); k < length; ++k) gradient[k] += one[k];
  }
}

}  // namespace

void mlp_forward(const float* parameters, std::int64_t inputs, const float* input, std::int64_t rows,
                 float* first, float* second, float* output) {
  mlp_forward_of(parameters, inputs, input, rows, first, second, output);
}
void mlp_forward(const double* parameters, std::int64_t inputs, const double* input, std::int64_t rows,
                 double* first, double* second, double* output) {
  mlp_forward_of(parameters, inputs, input, rows, first, second, output);
}
void mlp_backward(const float* parameters, std::int64_t inputs, const float* input, const float* first,
                  const float* second, const float* output_gradient, std::int64_t rows, float* gradient,
                  float* first_gradient) {
  mlp_backward_of(parameters, inputs, input, first, second, output_gradient, rows, gradient, first_gradient);
}
void mlp_backward(const double* parameters, std::int64_t inputs, const double* input, const double* first,
                  const double* second, const double* output_gradient, std::int64_t rows, double* gradient,
                  double* first_gradient) {
  mlp_backward_of(parameters, inputs, input, first, second, output_gradient, rows, gradient, first_gradient);
}

}  // namespace weft::WEFT_ISA
