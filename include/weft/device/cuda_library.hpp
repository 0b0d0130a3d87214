#pragma once

#include <memory>
#include <string>

#include "weft/device/device.hpp"

namespace weft {

/// What this process finds of GPUs.
struct CudaSurvey {
  bool built = false;  ///< whether libweft_cuda.so is there
  int devices = 0;
  std::string reason;  ///< why there are none, in a line; empty where there are some
};

/// Loads libweft_cuda.so, and with it LibTorch's CUDA half, where there is a driver. Local.
CudaSurvey survey_cuda();

/// GPU `ordinal` of this process, which starts at 0. Local. @throws UserError where it cannot be used.
std::unique_ptr<Device> open_cuda_device(int ordinal);

}  // namespace weft
