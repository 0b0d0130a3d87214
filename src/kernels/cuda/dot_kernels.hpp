#pragma once

#include "weft/kernels/row_kernels.hpp"

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

// Sums in double precision over matrices of one shape in device memory, with strides of their own, in the
// order of `stream`. Sums have one fixed order, which depends on the shape and the type alone.

/// out[i] = sum_j a[i][j] b[i][j].
void row_dots(RowBlock<const float> a, RowBlock<const float> b, double* out, cudaStream_t stream);
void row_dots(RowBlock<const double> a, RowBlock<const double> b, double* out, cudaStream_t stream);
/// out[j] = sum_i a[i][j] b[i][j].
void column_dots(RowBlock<const float> a, RowBlock<const float> b, double* out, cudaStream_t stream);
void column_dots(RowBlock<const double> a, RowBlock<const double> b, double* out, cudaStream_t stream);

}  // namespace weft::cuda
