#pragma once

#include <cstdint>

#include "weft/kernels/row_kernels.hpp"

namespace weft {

/// One step of Adam, with its published constants, on `count` parameters w with their moments m and v, whose
/// gradient is stored. Each parameter by itself, in the arithmetic of adam_row_product. Local.
void adam_elements(float* w, float* m, float* v, const float* gradient, std::int64_t count,
                   const AdamFactors* factors);
void adam_elements(double* w, double* m, double* v, const double* gradient, std::int64_t count,
                   const AdamFactors* factors);

}  // namespace weft
