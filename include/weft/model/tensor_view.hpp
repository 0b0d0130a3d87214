#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/core/error.hpp"
#include "weft/io/checkpoint.hpp"

namespace weft {

/// A dense float32 or float64 tensor as a checkpoint takes it; it must outlive the view. Local.
inline ArrayView view_of(std::string name, const at::Tensor& tensor) {
  ArrayView view{std::move(name), tensor.sizes().vec(), std::span<const float>()};
  const auto count = static_cast<std::size_t>(tensor.numel());
  require(tensor.is_contiguous(), "an array to save must be contiguous");
  if (tensor.scalar_type() == at::kDouble) {
    view.values = std::span(tensor.const_data_ptr<double>(), count);
  } else {
    view.values = std::span(tensor.const_data_ptr<float>(), count);
  }
  return view;
}

/// The same of numbers in a row.
template <typename T>
ArrayView view_of(std::string name, const std::vector<T>& values) {
  return {std::move(name), {static_cast<std::int64_t>(values.size())}, std::span<const T>(values)};
}

}  // namespace weft
