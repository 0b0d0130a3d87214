#include "kernels/adam_element.hpp"
#include "kernels/cuda/adam_kernels.hpp"

namespace weft::cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kThreads)
    elements_kernel(T* w, T* m, T* v, const T* __restrict__ gradient, std::int64_t count,
                    const AdamConstants<T> adam, const AdamFactors* factors) {
  const std::int64_t k = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (k < count) adam_element(w[k], m[k], v[k], gradient[k], adam, AdamRate<T>(*factors));
}

template <typename T>
void step_elements(T* w, T* m, T* v, const T* gradient, std::int64_t count, const AdamFactors* factors,
                   cudaStream_t stream) {
  if (count == 0) return;
  launch(elements_kernel<T>, dim3(static_cast<unsigned>(blocks_for(count, kThreads))), dim3(kThreads), stream,
         w, m, v, gradient, count, AdamConstants<T>(AdamRowStep<T>{}), factors);
}

}  // namespace

void adam_elements(float* w, float* m, float* v, const float* gradient, std::int64_t count,
                   const AdamFactors* factors, cudaStream_t stream) {
  step_elements(w, m, v, gradient, count, factors, stream);
}
void adam_elements(double* w, double* m, double* v, const double* gradient, std::int64_t count,
                   const AdamFactors* factors, cudaStream_t stream) {
  step_elements(w, m, v, gradient, count, factors, stream);
}

}  // namespace weft::cuda
