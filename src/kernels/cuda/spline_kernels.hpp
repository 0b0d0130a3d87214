#pragma once

#include "weft/kernels/spline_kernels.hpp"

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

// The kernels of weft/kernels/spline_kernels.hpp on data in device memory (the frames and the axis' entries
// included), in the order of `stream`. Each sum runs over the columns in their order.

void spline_values(const CoordinateRows& u, const CubicAxis& axis, const float* cubics, bool differenced,
                   float* out, cudaStream_t stream);
void spline_values(const CoordinateRows& u, const CubicAxis& axis, const double* cubics, bool differenced,
                   double* out, cudaStream_t stream);
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const float* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, float* out, cudaStream_t stream);
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const double* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, double* out, cudaStream_t stream);

}  // namespace weft::cuda
