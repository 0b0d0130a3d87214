#pragma once

#include "weft/comm/communicator.hpp"
#include "weft/device/device.hpp"

namespace weft {

/// The device that the tests of a program are about; which one is decided by what the program is linked with.
/// Tensors on it are served. Lives until the program ends.
Device& device_under_test();

/// All ranks of the test, with collectives on the memory of that device. Collective at its first call.
Communicator& device_world();

}  // namespace weft
