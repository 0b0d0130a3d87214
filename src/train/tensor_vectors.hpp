#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

namespace weft {

/// A copy, float64, on the host.
inline at::Tensor tensor_of(std::span<const double> values) {
  return at::from_blob(const_cast<double*>(values.data()), {std::ssize(values)}, at::kDouble).clone();
}

/// The numbers of a tensor one after the other.
inline std::vector<double> vector_of(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kDouble).cpu().contiguous();
  return {dense.const_data_ptr<double>(), dense.const_data_ptr<double>() + dense.numel()};
}

/// The upper one of two in the middle; there must be a value.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// Indices as LibTorch takes them, on the host: a view of `values`, which must outlive it.
inline at::Tensor index_of(std::span<const std::int64_t> values) {
  return at::from_blob(const_cast<std::int64_t*>(values.data()), {std::ssize(values)}, at::kLong);
}

}  // namespace weft
