#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weft {

/// One row's whole least-squares problem as a single matrix in double precision: psi of all neurons, some
/// functions of its own activity, and a constant.
struct DenseRow {
  at::Tensor coefficients;  ///< (N + own functions + 1)
  double residual_squares = 0;
};

/// `psi` is (frames x N), `own` (frames x functions), `y` (frames). Directions without weight in the data get
/// none.
DenseRow solve_dense_row(const at::Tensor& psi, const at::Tensor& own, const at::Tensor& y);

/// sum_k coefficients[k] b_k(v) of uniform cubic B-splines, written out by the recursion of de Boor, at
/// coordinates v in [0, 1] of any shape.
at::Tensor dense_splines(const at::Tensor& v, std::int64_t splines);

}  // namespace weft
