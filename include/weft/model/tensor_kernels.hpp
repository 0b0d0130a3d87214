#pragma once

#include <ATen/core/Tensor.h>

#include "weft/device/device.hpp"

namespace weft {

/// LibTorch's name for a device.
inline at::Device torch_device(const Device& device) { return at::Device(device.torch_name()); }

/// Makes `device` serve the tensors that lie on it; without it, only those of the host are served. The device
/// must outlive them. Once, before any other thread uses tensors.
void serve_tensors(Device& device);

/// The kernels for the memory that a tensor lies in. @throws InternalError where no device serves it.
const Kernels& kernels_of(const at::Tensor& tensor);

}  // namespace weft
