#include "weft/train/column_scaling.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"

#include "train/tensor_sums.hpp"
#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

constexpr double kSilent = 1e-4;
constexpr double kRounding = 1e-6;
// Columns whose sums a thread keeps at a time.
constexpr std::int64_t kColumnBlock = 512;

template <typename T>
void add_columns(const T* values, std::int64_t frames, std::int64_t columns, double* sum, double* squares) {
#pragma omp parallel for schedule(static)
  for (std::int64_t first = 0; first < columns; first += kColumnBlock) {
    const std::int64_t end = std::min(columns, first + kColumnBlock);
    for (std::int64_t f = 0; f < frames; ++f) {
      const T* const row = values + f * columns;
      for (std::int64_t j = first; j < end; ++j) {
        const auto value = static_cast<double>(row[j]);
        sum[j] += value;
        squares[j] += value * value;
      }
    }
  }
}

void add_to(std::vector<double>& sums, const at::Tensor& more) {
  std::ranges::transform(sums, vector_of(more), sums.begin(), std::plus<>());
}

}  // namespace

void ColumnMoments::add(const at::Tensor& values) {
  require(values.is_contiguous(), "moments of a dense block");
  sum.resize(static_cast<std::size_t>(values.size(1)), 0);
  squares.resize(sum.size(), 0);
  frames += values.size(0);
  if (!values.is_cpu()) {
    add_to(sum, column_dots(values, at::ones({1, values.size(1)}, values.options()).expand_as(values)));
    return add_to(squares, column_dots(values, values));
  }
  with_element_type(values, [&]<typename T>(T*) {
    add_columns(values.const_data_ptr<T>(), values.size(0), values.size(1), sum.data(), squares.data());
  });
}

void ColumnScaling::apply(at::Tensor& values) const {
  require(values.is_contiguous() && values.size(1) == std::ssize(mean), "a block of own columns");
  if (!values.is_cpu()) {
    values.sub_(tensor_of(mean).to(values.options())).mul_(tensor_of(scale).to(values.options()));
    return;
  }
  const std::int64_t columns = values.size(1);
  with_element_type(values, [&]<typename T>(T*) {
    const std::vector<T> shift(mean.begin(), mean.end());
    const std::vector<T> factor(scale.begin(), scale.end());
    T* const data = values.mutable_data_ptr<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t f = 0; f < values.size(0); ++f) {
      T* const row = data + f * columns;
#pragma omp simd
      for (std::int64_t j = 0; j < columns; ++j) row[j] = (row[j] - shift[j]) * factor[j];
    }
  });
}

ColumnScaling scale_columns(const ProcessGrid& grid, const RowPartition& partition, ColumnMoments moments) {
  Communicator& replicas = grid.replicas();
  auto frames = static_cast<double>(moments.frames);
  sum_over(replicas, std::span<double>(moments.sum));
  sum_over(replicas, std::span<double>(moments.squares));
  frames = sum_over(replicas, frames);
  const std::size_t columns = moments.sum.size();
  ColumnScaling result;
  std::vector<double> deviation(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    result.mean.push_back(moments.sum[j] / frames);
    deviation[j] = std::sqrt(std::max(0.0, moments.squares[j] / frames - result.mean[j] * result.mean[j]));
  }
  const double least = kSilent * median(gather_blocks(grid.rows(), deviation, partition.sizes()));
  double silent = 0;
  for (std::size_t j = 0; j < columns; ++j) {
    // A constant's deviation is what rounding leaves of its mean.
    const bool varies = deviation[j] > std::max(least, kRounding * std::abs(result.mean[j]));
    result.scale.push_back(varies ? 1 / deviation[j] : 0);
    silent += varies ? 0 : 1;
  }
  silent = sum_over(grid.rows(), silent);
  result.silent = static_cast<std::int64_t>(silent);
  return result;
}

}  // namespace weft
