#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "weft/core/row_partition.hpp"
#include "weft/io/checkpoint.hpp"

namespace weft {

/// Rows of an array of the shards, from `first` on, into a tensor (rows x anything) that there is already:
/// contiguous, float32 or float64, on any device. Local.
/// @throws UserError where there is no such array or its rows are of another length.
void load_rows(const Checkpoint& checkpoint, const std::string& name, GlobalRow first,
               const at::Tensor& into);

/// An array of common.h5 into a tensor that there is already, of any type, on any device. Local.
/// @throws UserError where there is no such array or it holds another count of numbers.
void load_common(const Checkpoint& checkpoint, const std::string& name, const at::Tensor& into);

}  // namespace weft
