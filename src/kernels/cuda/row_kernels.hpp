#pragma once

#include "weft/kernels/row_kernels.hpp"

#include "kernels/cuda/launch.hpp"

namespace weft::cuda {

// The row kernels of weft/kernels/row_kernels.hpp on data in device memory, in the order of `stream`. Sums
// have one fixed order, which depends on the shapes alone.

void row_product(RowBlock<const float> w, const float* x, std::int64_t batch, float* out,
                 cudaStream_t stream);
void row_product(RowBlock<const double> w, const double* x, std::int64_t batch, double* out,
                 cudaStream_t stream);
void column_product(RowBlock<const float> w, const float* g, std::int64_t batch, float* out,
                    cudaStream_t stream);
void column_product(RowBlock<const double> w, const double* g, std::int64_t batch, double* out,
                    cudaStream_t stream);
void adam_row_product(RowBlock<float> w, float* m, float* v, const AdamRowStep<float>& step,
                      const float* next, std::int64_t next_batch, float* out, cudaStream_t stream);
void adam_row_product(RowBlock<double> w, double* m, double* v, const AdamRowStep<double>& step,
                      const double* next, std::int64_t next_batch, double* out, cudaStream_t stream);

}  // namespace weft::cuda
