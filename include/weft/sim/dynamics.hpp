#pragma once

#include <cstdint>
#include <span>

#include "weft/core/philox.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/sim/neuron_types.hpp"

namespace weft {

// The pieces of one simulation step, for the states of S trajectories of the neurons that one rank owns.
// Every array is (S x own neurons), row-major, float32. Each element is computed alone, so results do not
// depend on ranks or threads.

/// The neurons that one rank owns, out of the whole assembly: what keys their random numbers.
struct OwnNeurons {
  std::int64_t neurons = 0;  ///< N, the whole assembly
  GlobalRow first{0};        ///< of those owned
  std::int64_t count = 0;    ///< owned
};

/// out = tanh(x). Local, parallel over elements.
void apply_tanh(std::span<const float> x, std::span<float> out);

/// f = (-c x + s tanh x) + g input, where `input` is sum_j W_ij tanh(x_j): equation 2 of Allier et al. 2026.
/// Local.
void drift(const NeuronParameters& parameters, std::span<const float> x, std::span<const float> tanh_x,
           std::span<const float> input, std::span<float> derivative);

/// x <- (x + dt f) + noise: explicit Euler, then what is added in this step; no sqrt(dt). Local.
void euler_step(std::span<const float> derivative, double dt, std::span<const float> noise,
                std::span<float> x);

/// values = deviation * standard normal, keyed by `step` and by trajectory * N + global row. Local, parallel
/// over elements.
void draw_normal(const Philox& random, std::uint64_t step, double deviation, const OwnNeurons& own,
                 std::span<float> values);

}  // namespace weft
