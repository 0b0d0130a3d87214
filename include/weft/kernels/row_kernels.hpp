#pragma once

#include <cmath>
#include <cstdint>

#include "weft/core/host_device.hpp"

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

/// What changes in Adam from step to step: it lies where the kernel's other data do, so that a step that a
/// GPU repeats by itself can change it.
struct AdamFactors {
  double rate = 0;               ///< learning rate / (1 - beta1^t)
  double second_correction = 0;  ///< 1 / sqrt(1 - beta2^t)
};

/// Those of step `count`, from 1, since the moments were cleared.
WEFT_HOST_DEVICE inline AdamFactors adam_factors(double learning_rate, std::int64_t count, double beta1 = 0.9,
                                                 double beta2 = 0.999) {
  return {learning_rate / (1 - std::pow(beta1, static_cast<double>(count))),
          1 / std::sqrt(1 - std::pow(beta2, static_cast<double>(count)))};
}

/// One step of Adam (Kingma & Ba 2015) on W with the gradient sum_b g[b][i] x[b][j] + l1 sign(w) + 2 l2 w.
template <typename T>
struct AdamRowStep {
  const T* g = nullptr;  ///< (batch x rows), gradient factor of the postsynaptic side
  const T* x = nullptr;  ///< (batch x columns), of the presynaptic side
  std::int64_t batch = 0;
  std::int64_t first_row = 0;  ///< global index of row 0: the entry (i, first_row + i) is held at 0
  const AdamFactors* factors = nullptr;
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
