#pragma once

#include <cmath>

#include "weft/core/host_device.hpp"
#include "weft/kernels/row_kernels.hpp"

namespace weft {

// The kernels in isa/ have this once more: an inline function that they shared with other objects could reach
// those as it was compiled for AVX-512.

/// What stays the same from step to step.
template <typename T>
struct AdamConstants {
  T beta1, beta2, rest1, rest2, epsilon, l1, l2;

  explicit AdamConstants(const AdamRowStep<T>& step)
      : beta1(static_cast<T>(step.beta1)),
        beta2(static_cast<T>(step.beta2)),
        rest1(static_cast<T>(1 - step.beta1)),  // in double: 1 - 0.999f is off by 5e-5
        rest2(static_cast<T>(1 - step.beta2)),
        epsilon(static_cast<T>(step.epsilon)),
        l1(static_cast<T>(step.l1)),
        l2(static_cast<T>(2 * step.l2)) {}
};

/// AdamFactors in the precision of W.
template <typename T>
struct AdamRate {
  T rate, second_correction;

  WEFT_HOST_DEVICE explicit AdamRate(const AdamFactors& factors)
      : rate(static_cast<T>(factors.rate)), second_correction(static_cast<T>(factors.second_correction)) {}
};

/// One entry of W and its moments; `gradient` comes without l1 and l2. Sums of products are fused by hand: a
/// compiler that chose could choose otherwise in the next kernel, and the same step would give other bits.
template <typename T>
WEFT_HOST_DEVICE inline void adam_element(T& w, T& m, T& v, T gradient, const AdamConstants<T>& adam,
                                          const AdamRate<T>& rate) {
  gradient = std::fma(adam.l2, w, gradient + (w > 0 ? adam.l1 : T{0}) - (w < 0 ? adam.l1 : T{0}));
  m = std::fma(adam.beta1, m, adam.rest1 * gradient);
  v = std::fma(adam.beta2, v, adam.rest2 * gradient * gradient);
  w -= rate.rate * m / std::fma(std::sqrt(v), rate.second_correction, adam.epsilon);
}

}  // namespace weft
