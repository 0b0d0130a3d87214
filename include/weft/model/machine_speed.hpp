#pragma once

#include <c10/core/ScalarType.h>

#include "weft/device/device.hpp"

namespace weft {

/// Floating-point operations per second of this rank's matrix products, the best of a few, with the threads
/// that it has. Takes a tenth of a second or so on a host. Local.
double measure_products(Device& device, c10::ScalarType type = c10::ScalarType::Float);

/// Bytes per second that this rank reads and writes where it updates an array in place that is far larger
/// than the caches, the best of a few. Takes a tenth of a second or so on a host, and 128 MB of memory.
/// Local.
double measure_memory(Device& device);

}  // namespace weft
