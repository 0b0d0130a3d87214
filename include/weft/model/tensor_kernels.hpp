#pragma once

#include <ATen/core/Tensor.h>

#include "weft/device/device.hpp"

namespace weft {

/// LibTorch's name for a device.
inline at::Device torch_device(const Device& device) { return at::Device(device.torch_name()); }

/// Makes `device` serve the tensors that lie on it; without it, only those of the host are served. One device
/// beside the host in a process, which must outlive the tensors; before any other thread uses tensors.
void serve_tensors(Device& device);

/// The kernels for the memory that a tensor lies in. @throws InternalError where no device serves it.
const Kernels& kernels_of(const at::Tensor& tensor);

/// A matrix whose rows are dense, as kernels take it.
template <typename T>
RowBlock<const T> rows_of(const at::Tensor& matrix) {
  return {matrix.const_data_ptr<T>(), matrix.size(0), matrix.size(1), matrix.stride(0)};
}

}  // namespace weft
