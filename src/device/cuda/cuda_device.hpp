#pragma once

#include <memory>
#include <string>

#include "weft/device/device.hpp"

namespace weft {

/// GPU `ordinal` of those that CUDA shows. One stream of LibTorch's becomes the current one of this thread,
/// for good: LibTorch's operations, the kernels and NCCL's collectives run in its order, and all memory is
/// from LibTorch's pool. @throws UserError where there is no such GPU, it is too old or cannot be used.
std::unique_ptr<Device> make_cuda_device(int ordinal);

/// How many GPUs this process can use; where none, `why` says so in a line.
int count_cuda_devices(std::string& why);

}  // namespace weft
