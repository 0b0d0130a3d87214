#pragma once

#include <memory>

#include "weft/device/device.hpp"

namespace weft {

/// The host as the device of a test.
inline Device& host() {
  static const std::unique_ptr<Device> device = make_host_device();
  return *device;
}

}  // namespace weft
