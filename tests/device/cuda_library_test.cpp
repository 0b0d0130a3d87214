#include "weft/device/cuda_library.hpp"

#include <array>
#include <filesystem>
#include <fstream>

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"
#include "weft/core/version.hpp"

#include "device/cuda_library_file.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using testing::HasSubstr;

bool has_driver() { return dlopen("libcuda.so.1", RTLD_LAZY) != nullptr; }

TEST(CudaLibrary, TheSurveySaysWhyThereIsNoGpu) {
  const CudaSurvey survey = survey_cuda();
  EXPECT_EQ(survey.built, !find_cuda_library().empty());
  EXPECT_EQ(survey.reason.empty(), survey.devices > 0);
  if (!survey.built) {
    EXPECT_THAT(survey.reason, HasSubstr("this build has no CUDA"));
  } else if (!has_driver()) {
    EXPECT_EQ(survey.reason, "no NVIDIA driver on this node (libcuda.so.1 is missing)");
  }
  EXPECT_EQ(survey.reason.find('\n'), std::string::npos);
}

TEST(CudaLibrary, NothingIsLoadedWhereThereIsNoDriver) {
  if (has_driver()) GTEST_SKIP() << "there is a driver";
  survey_cuda();
  EXPECT_EQ(dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD), nullptr);
}

TEST(CudaLibrary, AGpuThatIsNotThereIsAUserError) {
  const CudaSurvey survey = survey_cuda();
  if (survey.devices > 0) {
    expect_user_error([&] { open_cuda_device(survey.devices); }, {"GPU", "there is none of this number"});
  } else {
    expect_user_error([] { open_cuda_device(0); }, {"GPU: ", survey.reason, "device: cpu"});
  }
}

TEST(CudaLibrary, WhatTheLoaderSaysIsPassedOn) {
  const TemporaryFolder folder;
  const std::filesystem::path broken = folder.path() / "libweft_cuda.so";
  std::ofstream(broken) << "no library";
  expect_user_error([&] { load_cuda_library(broken); },
                    {"libweft_cuda.so cannot be loaded", broken.string()});
}

TEST(CudaLibrary, AnotherBuildIsRefused) {
  EXPECT_NO_THROW(require_same_build("1.0 (abc)", "1.0 (abc)"));
  expect_user_error([] { require_same_build("1.0 (abc)", "1.0 (def)"); },
                    {"libweft_cuda.so: it is of another build (1.0 (abc), the program 1.0 (def)); rebuild"});
}

/// The library itself, though there is no GPU: what it throws is caught here as what it is.
TEST(CudaLibrary, LoadsAndTellsWhyThereIsNoGpu) {
  if (find_cuda_library().empty()) GTEST_SKIP() << "this build has no CUDA";
  const CudaLibrary library = load_cuda_library(find_cuda_library());
  EXPECT_EQ(library.build(), version_line());
  std::array<char, 512> why{};
  const int devices = library.count_devices(why.data(), why.size());
  if (devices > 0) GTEST_SKIP() << "there is a GPU";
  EXPECT_THAT(why.data(), HasSubstr(has_driver() ? "GPU" : "no NVIDIA driver"));
  expect_user_error([&] { library.open_device(0); }, {"GPU: ", why.data(), "run on a node with a GPU"});
  std::array<char, 4> little{};
  library.count_devices(little.data(), little.size());
  EXPECT_EQ(little.back(), '\0');
}

}  // namespace
}  // namespace weft
