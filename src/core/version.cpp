#include "weft/core/version.hpp"

#include <fmt/format.h>

#include "commit.hpp"

namespace weft {

BuildInfo build_info() {
  return {WEFT_VERSION, WEFT_COMMIT, WEFT_TORCH_VERSION, WEFT_CUDA_VERSION, WEFT_NCCL_VERSION};
}

std::string version_line() {
  const BuildInfo build = build_info();
  return fmt::format("{} ({})", build.version, build.commit);
}

}  // namespace weft
