#pragma once

#include <cstddef>
#include <filesystem>

#include "weft/device/device.hpp"

namespace weft {

/// What libweft_cuda.so gives (src/device/cuda/cuda_exports.cpp).
struct CudaLibrary {
  int (*count_devices)(char* why, std::size_t size) = nullptr;
  Device* (*open_device)(int ordinal) = nullptr;
};

/// libweft_cuda.so beside the program, in ../lib as an installation has it, or in this build; empty where
/// there is none.
std::filesystem::path find_cuda_library();

/// Loads it for good. @throws UserError with the loader's message where it cannot be.
CudaLibrary load_cuda_library(const std::filesystem::path& path);

}  // namespace weft
