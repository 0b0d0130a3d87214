#include "weft/kernels/row_kernels.hpp"

#include "kernels/instruction_set.hpp"
#include "kernels/isa/row_kernels.hpp"

namespace weft {
namespace {

void choose_row_product(auto... arguments) {
  has_avx512() ? avx512::row_product(arguments...) : avx2::row_product(arguments...);
}

void choose_column_product(auto... arguments) {
  has_avx512() ? avx512::column_product(arguments...) : avx2::column_product(arguments...);
}

void choose_adam_row_product(auto... arguments) {
  has_avx512() ? avx512::adam_row_product(arguments...) : avx2::adam_row_product(arguments...);
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
