#pragma once

#include "weft/kernels/spline_kernels.hpp"

namespace weft {
#define WEFT_DECLARE(isa)                                                                                    \
  namespace isa {                                                                                            \
  void spline_values(const CoordinateRows& u, const CubicAxis& axis, const float* cubics, bool differenced,  \
                     float* out);                                                                            \
  void spline_values(const CoordinateRows& u, const CubicAxis& axis, const double* cubics, bool differenced, \
                     double* out);                                                                           \
  void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const float* w, std::int64_t rows, \
                          std::int64_t splines, bool differenced, float* out);                               \
  void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const double* w,                   \
                          std::int64_t rows, std::int64_t splines, bool differenced, double* out);           \
  }
WEFT_DECLARE(avx2)
WEFT_DECLARE(avx512)
#undef WEFT_DECLARE
}  // namespace weft
