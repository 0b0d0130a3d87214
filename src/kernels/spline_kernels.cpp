#include "weft/kernels/spline_kernels.hpp"

#include "kernels/instruction_set.hpp"
#include "kernels/isa/spline_kernels.hpp"

namespace weft {
namespace {

template <typename T>
void choose_values(const CoordinateRows& u, const CubicAxis& axis, const T* cubics, bool differenced,
                   T* out) {
  has_avx512() ? avx512::spline_values(u, axis, cubics, differenced, out)
               : avx2::spline_values(u, axis, cubics, differenced, out);
}

template <typename T>
void choose_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const T* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, T* out) {
  has_avx512() ? avx512::spline_sensitivity(u, axis, w, rows, splines, differenced, out)
               : avx2::spline_sensitivity(u, axis, w, rows, splines, differenced, out);
}

}  // namespace

void spline_values(const CoordinateRows& u, const CubicAxis& axis, const float* cubics, bool differenced,
                   float* out) {
  choose_values(u, axis, cubics, differenced, out);
}
void spline_values(const CoordinateRows& u, const CubicAxis& axis, const double* cubics, bool differenced,
                   double* out) {
  choose_values(u, axis, cubics, differenced, out);
}
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const float* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, float* out) {
  choose_sensitivity(u, axis, w, rows, splines, differenced, out);
}
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const double* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, double* out) {
  choose_sensitivity(u, axis, w, rows, splines, differenced, out);
}

}  // namespace weft
