#pragma once

#include "weft/comm/communicator.hpp"
#include "weft/device/device.hpp"

namespace weft {

/// The device that a test's tensors lie on: the stand-in, or a GPU; tensors on it are served.
Device& device_under_test();

/// All ranks of the test, with collectives on the memory of that device. Collective at its first call.
Communicator& device_world();

}  // namespace weft
