#pragma once

#include <string>
#include <string_view>

namespace weft {

/// What this program was built from; empty strings where a part is absent (CUDA, NCCL).
struct BuildInfo {
  std::string_view version;
  std::string_view commit;
  std::string_view torch;
  std::string_view cuda;
  std::string_view nccl;
};

BuildInfo build_info();
/// "<version> (<commit>)", as files and messages name it.
std::string version_line();

}  // namespace weft
