#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/config/config.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// The type of each of `neurons` neurons: contiguous blocks of neurons / types, the remainder with the last
/// type. Local.
/// @throws UserError where there are more types than neurons.
std::vector<std::int64_t> neuron_types(std::int64_t neurons, std::int64_t types);

/// (types x 3) row-major: g, s, c = 1 / tau of each type. Local.
std::vector<double> type_parameters(std::span<const NeuronTypeConfig> types);

/// The parameters of the neurons that one rank owns, one entry a neuron.
struct NeuronParameters {
  std::vector<float> gain;           ///< g
  std::vector<float> self_coupling;  ///< s
  std::vector<float> decay;          ///< c = 1 / tau [1 / time unit]
};

/// Parameters of neurons [first, first + count) out of `neurons`. Local.
/// @throws UserError where there are more types than neurons.
NeuronParameters neuron_parameters(std::span<const NeuronTypeConfig> types, std::int64_t neurons,
                                   GlobalRow first, std::int64_t count);

}  // namespace weft
