#include "weft/kernels/adam_kernels.hpp"

#include "kernels/adam_element.hpp"

namespace weft {
namespace {

template <typename T>
void step_elements(T* w, T* m, T* v, const T* gradient, std::int64_t count, const AdamFactors* factors) {
  const AdamConstants<T> adam(AdamRowStep<T>{});
  const AdamRate<T> rate(*factors);
#pragma omp simd
  for (std::int64_t k = 0; k < count; ++k) adam_element(w[k], m[k], v[k], gradient[k], adam, rate);
}

}  // namespace

void adam_elements(float* w, float* m, float* v, const float* gradient, std::int64_t count,
                   const AdamFactors* factors) {
  step_elements(w, m, v, gradient, count, factors);
}
void adam_elements(double* w, double* m, double* v, const double* gradient, std::int64_t count,
                   const AdamFactors* factors) {
  step_elements(w, m, v, gradient, count, factors);
}

}  // namespace weft
