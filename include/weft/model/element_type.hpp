#pragma once

#include <ATen/core/Tensor.h>

#include "weft/core/error.hpp"

namespace weft {

/// Calls `work` with a null pointer of the tensor's element type.
template <typename Work>
void with_element_type(const at::Tensor& tensor, Work&& work) {
  if (tensor.scalar_type() == at::kDouble) {
    work(static_cast<double*>(nullptr));
  } else {
    require(tensor.scalar_type() == at::kFloat, "a tensor is float32 or float64");
    work(static_cast<float*>(nullptr));
  }
}

}  // namespace weft
