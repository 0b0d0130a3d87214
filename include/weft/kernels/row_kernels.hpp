#pragma once

#include <cstdint>

namespace weft {

/// A block of rows of a row-major matrix; `stride` is the distance between rows, in elements.
template <typename T>
struct RowBlock {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;
};

/// out[b][i] = sum_j w[i][j] x[b][j]: W (rows x columns) times a batch of B vectors.
/// x is (B x columns), out is (B x rows), both dense and row-major. Each sum has one fixed order, which
/// depends on the number of columns and the instruction set alone, not on the rows, the batch or the threads.
/// W is read once. Local.
void row_product(RowBlock<const float> w, const float* x, std::int64_t batch, float* out);
void row_product(RowBlock<const double> w, const double* x, std::int64_t batch, double* out);

/// out[b][j] = sum_i g[b][i] w[i][j]: the transpose of W times a batch. g is (B x rows), out is (B x
/// columns). The order of a sum depends on the number of threads. W is read once. Local.
void column_product(RowBlock<const float> w, const float* g, std::int64_t batch, float* out);
void column_product(RowBlock<const double> w, const double* g, std::int64_t batch, double* out);

/// One step of Adam (Kingma & Ba 2015) on W with the gradient sum_b g[b][i] x[b][j] + l1 sign(w) + 2 l2 w.
template <typename T>
struct AdamRowStep {
  const T* g = nullptr;  ///< (batch x rows), gradient factor of the postsynaptic side
  const T* x = nullptr;  ///< (batch x columns), of the presynaptic side
  std::int64_t batch = 0;
  std::int64_t first_row = 0;  ///< global index of row 0: the entry (i, first_row + i) is held at 0
  std::int64_t count = 0;      ///< this step's number since the moments were cleared, from 1
  double learning_rate = 0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double l1 = 0, l2 = 0;
};

/// Updates w with its moments m and v by `step`, then out[b][i] = sum_j w[i][j] next[b][j] with the updated
/// w, as row_product would give it, bit for bit. One pass reads and writes each of w, m, v once; the gradient
/// is never stored. m and v have the shape and stride of w; next is (next_batch x columns); next_batch 0 only
/// updates. Local.
void adam_row_product(RowBlock<float> w, float* m, float* v, const AdamRowStep<float>& step,
                      const float* next, std::int64_t next_batch, float* out);
void adam_row_product(RowBlock<double> w, double* m, double* v, const AdamRowStep<double>& step,
                      const double* next, std::int64_t next_batch, double* out);

}  // namespace weft
