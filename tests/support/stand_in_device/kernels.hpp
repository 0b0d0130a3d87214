#pragma once

#include <memory>

#include "weft/kernels/kernels.hpp"

namespace weft::stand_in {

/// The kernels of a GPU, compiled for the host, on the stand-in's memory.
std::unique_ptr<Kernels> stand_in_kernels();

}  // namespace weft::stand_in
