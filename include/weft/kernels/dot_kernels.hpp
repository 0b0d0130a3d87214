#pragma once

#include "weft/kernels/row_kernels.hpp"

namespace weft {

// Sums in double precision over two matrices of one shape, in an order that depends on the shape alone.
// Strides may differ; a stride of 0 repeats one row. Local.

/// out[i] = sum_j a[i][j] b[i][j].
void row_dots(RowBlock<const float> a, RowBlock<const float> b, double* out);
void row_dots(RowBlock<const double> a, RowBlock<const double> b, double* out);
/// out[j] = sum_i a[i][j] b[i][j].
void column_dots(RowBlock<const float> a, RowBlock<const float> b, double* out);
void column_dots(RowBlock<const double> a, RowBlock<const double> b, double* out);

}  // namespace weft
