#pragma once

#include <ATen/core/Tensor.h>

#include "weft/comm/communicator.hpp"
#include "weft/core/error.hpp"

namespace weft {

/// The numbers of a contiguous tensor, as a communicator takes them; the tensor must live until the
/// collective is waited for.
inline Buffer buffer_of(at::Tensor& tensor) {
  require(tensor.is_contiguous(), "a collective needs a contiguous tensor");
  Buffer buffer;
  buffer.data = tensor.mutable_data_ptr();
  buffer.count = static_cast<std::size_t>(tensor.numel());
  require(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble,
          "a collective of an odd type");
  buffer.type = tensor.scalar_type() == at::kDouble ? ScalarType::float64 : ScalarType::float32;
  buffer.memory = tensor.is_cpu() ? Memory::host : Memory::device;
  return buffer;
}

}  // namespace weft
