#pragma once

#include <string>

#include <hdf5.h>

namespace weft::hdf5 {

/// Keeps HDF5 from printing its errors and from work at the end of the program; to be called before anything
/// else of it.
void prepare_library();

/// Puts HDF5's error stack into words. `place` is the file, or the file and the object; `what_failed` such as
/// "cannot be read".
[[noreturn]] void throw_hdf5_error(const std::string& place, const std::string& what_failed);

/// Passes on what an HDF5 call returned, unless it is negative, HDF5's sign of a failure.
template <typename Result>
Result check(Result result, const std::string& place, const std::string& what_failed) {
  if (result < 0) throw_hdf5_error(place, what_failed);
  return result;
}

}  // namespace weft::hdf5
