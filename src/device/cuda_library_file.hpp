#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "weft/device/device.hpp"

namespace weft {

/// What libweft_cuda.so gives (src/device/cuda/cuda_exports.cpp).
struct CudaLibrary {
  const char* (*build)() = nullptr;
  int (*count_devices)(char* why, std::size_t size) = nullptr;
  Device* (*open_device)(int ordinal) = nullptr;
};

/// libweft_cuda.so beside the program, in ../lib as an installation has it, or in this build; empty where
/// there is none.
std::filesystem::path find_cuda_library();

/// Throws a UserError unless the two are of one build, as version_line says it: what they give each other has
/// no fixed layout.
void require_same_build(std::string_view library, std::string_view program);

/// Loads it for good. @throws UserError with the loader's message where it cannot be, and where it is of
/// another build than this program.
CudaLibrary load_cuda_library(const std::filesystem::path& path);

}  // namespace weft
