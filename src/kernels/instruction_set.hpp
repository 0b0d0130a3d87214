#pragma once

namespace weft {

/// Whether this processor has what the kernels compiled for AVX-512 need.
inline bool has_avx512() {
  static const bool answer = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return answer;
}

}  // namespace weft
