#pragma once

#include "weft/kernels/row_kernels.hpp"

// The row kernels once for each instruction set; row_kernels.cpp chooses.
#define WEFT_DECLARE_ROW_KERNELS(isa)                                                              \
  namespace weft::isa {                                                                            \
  void row_product(RowBlock<const float> w, const float* x, std::int64_t batch, float* out);       \
  void row_product(RowBlock<const double> w, const double* x, std::int64_t batch, double* out);    \
  void column_product(RowBlock<const float> w, const float* g, std::int64_t batch, float* out);    \
  void column_product(RowBlock<const double> w, const double* g, std::int64_t batch, double* out); \
  void adam_row_product(RowBlock<float> w, float* m, float* v, const AdamRowStep<float>& step,     \
                        const float* next, std::int64_t next_batch, float* out);                   \
  void adam_row_product(RowBlock<double> w, double* m, double* v, const AdamRowStep<double>& step, \
                        const double* next, std::int64_t next_batch, double* out);                 \
  }

WEFT_DECLARE_ROW_KERNELS(avx2)
WEFT_DECLARE_ROW_KERNELS(avx512)

#undef WEFT_DECLARE_ROW_KERNELS
