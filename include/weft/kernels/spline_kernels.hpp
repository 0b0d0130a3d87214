#pragma once

#include <cstdint>

namespace weft {

/// Where functions made of cubics find their interval: s = (u - low) * inverse_step, clamped to [0,
/// intervals], lies in interval floor(s), at t = s - floor(s). Every column may have a function of its own:
/// column j starts at interval first[j] of the table.
struct CubicAxis {
  double low = 0;
  double inverse_step = 1;
  std::int64_t intervals = 1;
  const std::int32_t* first = nullptr;  ///< (columns); null: the same function for all
};

/// Activity of some neurons at chosen frames, as coordinates asinh(x / scale): row f is
/// data + frames[f] * stride, `columns` long.
struct CoordinateRows {
  const float* data = nullptr;
  std::int64_t stride = 0;
  std::int64_t columns = 0;
  const std::int64_t* frames = nullptr;
  std::int64_t count = 0;
};

/// out[f][j] = cubic of u[f][j]; `cubics` is (all intervals x 4), powers 0 to 3 of t. With `differenced`, the
/// value one frame earlier is subtracted. out is (count x columns), dense. Local.
void spline_values(const CoordinateRows& u, const CubicAxis& axis, const float* cubics, bool differenced,
                   float* out);
void spline_values(const CoordinateRows& u, const CubicAxis& axis, const double* cubics, bool differenced,
                   double* out);

/// out[f][r][k] = sum_j w[j][r] b_k(u[f][j]), with b_k the cubic B-splines of which column j has the four
/// from first[j] + floor(s) on, differenced as above: what the coefficient of b_k does to the input of row r.
/// w is (columns x rows), out is (count x rows x splines), dense. Local.
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const float* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, float* out);
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const double* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, double* out);

}  // namespace weft
