#pragma once

namespace weft {

/// What the machine's memory gives to all threads together, on arrays far beyond its caches [bytes / s].
struct Bandwidth {
  double read;    ///< sum of an array
  double copy;    ///< one array to another, bytes read and written
  double update;  ///< an array in place, bytes read and written
};

/// Measured once, in the first call: the best of a few rounds, with the threads of OpenMP.
const Bandwidth& measured_bandwidth();

}  // namespace weft
