#pragma once

#include "weft/device/device.hpp"

namespace weft {

/// What a memory gives on arrays far beyond the caches [bytes / s], the best of a few rounds.
struct Bandwidth {
  double read;    ///< sum of an array
  double copy;    ///< one array to another, bytes read and written
  double update;  ///< an array in place, bytes read and written
};

/// Of the host's memory, with the threads of OpenMP.
Bandwidth measure_host_bandwidth();
/// Of a device's memory: that of copying, for all three.
Bandwidth measure_device_bandwidth(Device& device);

}  // namespace weft
