#pragma once

#include <ATen/core/Tensor.h>

#include "weft/comm/sums.hpp"
#include "weft/train/tensor_buffer.hpp"

namespace weft {

/// `values` summed over the ranks of `group`, in place, by parts, for a reduction takes room of its own.
/// @collective
void sum_over(Communicator& group, at::Tensor& values);
/// `values` of rank `root` on every rank, by parts, for MPI counts no further than 2^31. @collective
void broadcast(Communicator& group, at::Tensor& values, int root);

// Sums in double precision over matrices that are too large for a copy in it, with rows that may lie apart.
// In an order that depends on their shape alone. Local.

/// sum_j a_ij b_ij of each row, (rows) float64.
at::Tensor row_dots(const at::Tensor& a, const at::Tensor& b);
/// sum_i a_ij b_ij of each column, (columns) float64.
at::Tensor column_dots(const at::Tensor& a, const at::Tensor& b);
/// sum_ij a_ij b_ij.
double products_of(const at::Tensor& a, const at::Tensor& b);
inline double squares_of(const at::Tensor& a) { return products_of(a, a); }

}  // namespace weft
