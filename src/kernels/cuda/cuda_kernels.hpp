#pragma once

#include <memory>

#include "weft/kernels/kernels.hpp"

namespace weft {

/// Those of a GPU, in the order of `stream`, a cudaStream_t.
std::unique_ptr<Kernels> cuda_kernels(void* stream);

}  // namespace weft
