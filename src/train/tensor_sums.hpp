#pragma once

#include <ATen/core/Tensor.h>

#include "weft/comm/communicator.hpp"
#include "weft/train/tensor_buffer.hpp"

namespace weft {

/// `values` summed over the ranks of `group`, in place. @collective
inline void sum_over(Communicator& group, at::Tensor& values) {
  group.all_reduce(buffer_of(values), Reduction::sum).wait();
}

/// One number summed over the ranks of `group`. @collective
inline double sum_over(Communicator& group, double value) {
  group.all_reduce(std::span<double>(&value, 1), Reduction::sum).wait();
  return value;
}

}  // namespace weft
