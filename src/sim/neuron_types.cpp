#include "weft/sim/neuron_types.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {

std::vector<std::int64_t> neuron_types(std::int64_t neurons, std::int64_t types) {
  if (types < 1 || types > neurons)
    throw UserError({"simulation.types", fmt::format("{} types for {} neurons", types, neurons),
                     fmt::format("1 to {} types", neurons), "remove types or raise simulation.neurons"});
  const std::int64_t block = neurons / types;
  std::vector<std::int64_t> type(static_cast<std::size_t>(neurons));
  for (std::int64_t i = 0; i < neurons; ++i)
    type[static_cast<std::size_t>(i)] = std::min(i / block, types - 1);
  return type;
}

std::vector<double> type_parameters(std::span<const NeuronTypeConfig> types) {
  std::vector<double> parameters;
  for (const NeuronTypeConfig& type : types)
    parameters.insert(parameters.end(), {type.gain, type.self_coupling, 1 / type.tau});
  return parameters;
}

NeuronParameters neuron_parameters(std::span<const NeuronTypeConfig> types, std::int64_t neurons,
                                   GlobalRow first, std::int64_t count) {
  const std::vector<std::int64_t> type_of = neuron_types(neurons, static_cast<std::int64_t>(types.size()));
  NeuronParameters parameters;
  for (std::int64_t row = index(first); row < index(first) + count; ++row) {
    const NeuronTypeConfig& type = types[static_cast<std::size_t>(type_of[static_cast<std::size_t>(row)])];
    parameters.gain.push_back(static_cast<float>(type.gain));
    parameters.self_coupling.push_back(static_cast<float>(type.self_coupling));
    parameters.decay.push_back(static_cast<float>(1 / type.tau));
  }
  return parameters;
}

}  // namespace weft
