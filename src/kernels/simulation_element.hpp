#pragma once

#include <cmath>
#include <cstdint>

#include "weft/core/host_device.hpp"
#include "weft/core/philox.hpp"

namespace weft {

// One neuron of one trajectory: equation 2 of Allier et al. 2026 in one order of operations, each rounded by
// itself.

/// nvcc would fuse a product into the sum after it, which the host's code does not.
WEFT_HOST_DEVICE inline float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

WEFT_HOST_DEVICE inline float rounded_sum(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

/// What a neuron's type gives it: g, s and c = 1 / tau.
struct NeuronConstants {
  float gain, self_coupling, decay;
};

/// What a step makes of a neuron: the derivative before it, the activity after it and its tanh.
struct SteppedNeuron {
  float derivative, x, tanh_x;
};

/// deviation * standard normal of this step; `item` is trajectory * N + global row.
WEFT_HOST_DEVICE inline float step_noise(const Philox& random, std::uint64_t step, std::uint64_t item,
                                         double deviation) {
  return static_cast<float>(deviation * random.normal(step, item));
}

/// f = (-c x + s tanh x) + g input, then x <- (x + dt f) + noise; `input` is sum_j W_ij tanh(x_j).
WEFT_HOST_DEVICE inline SteppedNeuron step_neuron(const NeuronConstants& neuron, float x, float tanh_x,
                                                  float input, float dt, float noise) {
  const float own =
      rounded_sum(rounded_product(-neuron.decay, x), rounded_product(neuron.self_coupling, tanh_x));
  const float derivative = rounded_sum(own, rounded_product(neuron.gain, input));
  const float next = rounded_sum(rounded_sum(x, rounded_product(dt, derivative)), noise);
  return {derivative, next, std::tanh(next)};
}

}  // namespace weft
