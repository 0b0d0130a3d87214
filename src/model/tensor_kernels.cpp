#include "weft/model/tensor_kernels.hpp"

#include <array>

#include "weft/core/error.hpp"

namespace weft {
namespace {

using Table = std::array<const Kernels*, c10::COMPILE_TIME_MAX_DEVICE_TYPES>;

Table& table() {
  static Table kernels{};
  return kernels;
}

}  // namespace

void serve_tensors(Device& device) {
  table()[static_cast<std::size_t>(torch_device(device).type())] = &device.kernels();
}

const Kernels& kernels_of(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return host_kernels();
  const Kernels* const kernels = table()[static_cast<std::size_t>(tensor.device().type())];
  require(kernels != nullptr, "a tensor on a device that was not opened");
  return *kernels;
}

}  // namespace weft
