#include "weft/kernels/row_kernels.hpp"

#include "kernels/isa/row_kernels.hpp"

namespace weft {
namespace {

bool has_avx512() {
  static const bool answer = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return answer;
}

template <typename T>
void choose_row_product(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) {
  has_avx512() ? avx512::row_product(w, x, batch, out) : avx2::row_product(w, x, batch, out);
}

template <typename T>
void choose_column_product(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) {
  has_avx512() ? avx512::column_product(w, g, batch, out) : avx2::column_product(w, g, batch, out);
}

template <typename T>
void choose_adam_row_product(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                             std::int64_t next_batch, T* out) {
  has_avx512() ? avx512::adam_row_product(w, m, v, step, next, next_batch, out)
               : avx2::adam_row_product(w, m, v, step, next, next_batch, out);
}

}  // namespace

void row_product(RowBlock<const float> w, const float* x, std::int64_t batch, float* out) {
  choose_row_product(w, x, batch, out);
}
void row_product(RowBlock<const double> w, const double* x, std::int64_t batch, double* out) {
  choose_row_product(w, x, batch, out);
}
void column_product(RowBlock<const float> w, const float* g, std::int64_t batch, float* out) {
  choose_column_product(w, g, batch, out);
}
void column_product(RowBlock<const double> w, const double* g, std::int64_t batch, double* out) {
  choose_column_product(w, g, batch, out);
}
void adam_row_product(RowBlock<float> w, float* m, float* v, const AdamRowStep<float>& step,
                      const float* next, std::int64_t next_batch, float* out) {
  choose_adam_row_product(w, m, v, step, next, next_batch, out);
}
void adam_row_product(RowBlock<double> w, double* m, double* v, const AdamRowStep<double>& step,
                      const double* next, std::int64_t next_batch, double* out) {
  choose_adam_row_product(w, m, v, step, next, next_batch, out);
}

}  // namespace weft
