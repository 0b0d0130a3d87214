#include "weft/core/version.hpp"

#include "commit.hpp"

namespace weft {

BuildInfo build_info() {
  return {WEFT_VERSION, WEFT_COMMIT, WEFT_TORCH_VERSION, WEFT_CUDA_VERSION, WEFT_NCCL_VERSION};
}

}  // namespace weft
