#pragma once

#include <memory>

#include "weft/comm/communicator.hpp"
#include "weft/device/device.hpp"

namespace weft {

/// Opens the device that the tests of a program are about; the stand-in and the GPU have one of these each,
/// and the program is linked with one of them.
std::unique_ptr<Device> open_device_under_test();

/// That device. Tensors on it are served. Lives until the program ends.
Device& device_under_test();

/// All ranks of the test, with collectives on the memory of that device. Collective at its first call.
Communicator& device_world();

}  // namespace weft
