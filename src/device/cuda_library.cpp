#include "weft/device/cuda_library.hpp"

#include <array>
#include <initializer_list>

#include <dlfcn.h>
#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/core/version.hpp"

#include "device/cuda_library_file.hpp"

namespace weft {
namespace {

constexpr std::string_view kRemedy = "run on a node with a GPU, or with device: cpu";

/// Whether the driver is there is quickly seen, and where it is not nothing else needs to be loaded.
bool has_driver() {
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return false;
  dlclose(driver);
  return true;
}

template <typename Function>
void look_up(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr)
    throw UserError({"libweft_cuda.so", dlerror(), "", "it is of another build of Weft; rebuild"});
}

const CudaLibrary& the_library() {
  static const CudaLibrary library = load_cuda_library(find_cuda_library());
  return library;
}

}  // namespace

std::filesystem::path find_cuda_library() {
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const std::filesystem::path& place :
       {folder / "libweft_cuda.so", folder / ".." / "lib" / "libweft_cuda.so",
        std::filesystem::path(WEFT_CUDA_LIBRARY)}) {
    if (std::filesystem::exists(place)) return place;
  }
  return {};
}

void require_same_build(std::string_view library, std::string_view program) {
  if (library == program) return;
  throw UserError({"libweft_cuda.so",
                   fmt::format("it is of another build ({}, the program {})", library, program), "",
                   "rebuild"});
}

CudaLibrary load_cuda_library(const std::filesystem::path& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw UserError({"libweft_cuda.so cannot be loaded", dlerror(), "",
                     "put the libraries of CUDA 13, cuDNN 9 and NCCL where the loader finds them "
                     "(LD_LIBRARY_PATH)"});
  }
  CudaLibrary functions;
  look_up(library, "weft_cuda_build", functions.build);
  require_same_build(functions.build(), version_line());
  look_up(library, "weft_count_cuda_devices", functions.count_devices);
  look_up(library, "weft_open_cuda_device", functions.open_device);
  return functions;
}

CudaSurvey survey_cuda() {
  if (find_cuda_library().empty()) return {false, 0, "this build has no CUDA (there is no libweft_cuda.so)"};
  if (!has_driver()) return {true, 0, "no NVIDIA driver on this node (libcuda.so.1 is missing)"};
  try {
    std::array<char, 512> why{};
    const int devices = the_library().count_devices(why.data(), why.size());
    return {true, devices, why.data()};
  } catch (const UserError& error) {
    return {true, 0, error.what()};
  }
}

std::unique_ptr<Device> open_cuda_device(int ordinal) {
  const CudaSurvey survey = survey_cuda();
  if (survey.devices == 0) throw UserError({"GPU", survey.reason, "", std::string(kRemedy)});
  return std::unique_ptr<Device>(the_library().open_device(ordinal));
}

}  // namespace weft
