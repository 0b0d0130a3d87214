#pragma once

#include <cstdint>

namespace weft {

/// The most physical memory that this process has held so far [bytes] (VmHWM of Linux). Local.
/// @throws InternalError where the system does not tell.
std::int64_t peak_resident_bytes();

}  // namespace weft
