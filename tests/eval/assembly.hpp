#pragma once

#include <cmath>
#include <filesystem>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/philox.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/truth.hpp"

#include "fake_model.hpp"
#include "support/temporary_folder.hpp"

namespace weft {

/// A small assembly with a known truth.
struct Assembly {
  NeuronTypeTruth types;
  std::vector<float> connectivity;  ///< (N x N) [post, pre]
  std::vector<float> activity;      ///< (T x N)
  std::int64_t frames = 0;

  std::int64_t neurons() const { return static_cast<std::int64_t>(types.neuron_type.size()); }
};

/// Activity with the given standard deviation, frames x neurons.
inline std::vector<float> random_activity(std::int64_t frames, std::int64_t neurons, double deviation) {
  const Philox random(7, RandomStream::process_noise);
  std::vector<float> activity(frames * neurons);
  for (std::size_t i = 0; i < activity.size(); ++i) {
    activity[i] = static_cast<float>(deviation * random.normal(0, i));
  }
  return activity;
}

/// Three types of gains 8, 4 and 2 in turns; W is Gaussian with a zero diagonal; xnorm is 6.
inline Assembly small_assembly(std::int64_t neurons) {
  Assembly assembly;
  assembly.types.parameters = {8, 1, 1, 4, 2, 1, 2, 1, 2};
  const Philox random(11, RandomStream::connectivity);
  for (std::int64_t post = 0; post < neurons; ++post) {
    assembly.types.neuron_type.push_back(post % 3);
    for (std::int64_t pre = 0; pre < neurons; ++pre) {
      const double weight = 0.1 * random.normal(post, pre);
      assembly.connectivity.push_back(post == pre ? 0 : static_cast<float>(weight));
    }
  }
  assembly.frames = 50;
  assembly.activity = random_activity(assembly.frames, neurons, 4);
  return assembly;
}

/// The model that is the truth itself, with one latent far from the others for each type.
inline WholeModel true_model(const Assembly& assembly) {
  WholeModel model{.connectivity = assembly.connectivity, .latents = {}, .psi = {}, .phi = {}};
  const std::int64_t neurons = assembly.neurons();
  for (std::int64_t i = 0; i < neurons; ++i) {
    const std::int64_t type = assembly.types.neuron_type[i];
    for (std::int64_t j = 0; j < neurons; ++j) {
      model.connectivity[i * neurons + j] *= static_cast<float>(assembly.types.parameters[3 * type]);
    }
    const double spread = 0.01 * std::sin(static_cast<double>(i));
    model.latents.push_back({static_cast<double>(type) + spread, 0.5 - spread});
  }
  model.psi = [](double x) { return std::tanh(x); };
  model.phi = [types = assembly.types](std::int64_t neuron, double x) {
    const double* parameters = &types.parameters[3 * types.neuron_type[neuron]];
    return parameters[1] * std::tanh(x) - parameters[2] * x;
  };
  return model;
}

/// The true model with errors of its own in W, psi and phi; psi(0) = 0 and phi(0) = 0 still.
inline WholeModel imperfect_model(const Assembly& assembly) {
  WholeModel model = true_model(assembly);
  const Philox random(13, RandomStream::initial_connectivity);
  const std::int64_t neurons = assembly.neurons();
  for (std::int64_t i = 0; i < neurons * neurons; ++i) {
    if (i % (neurons + 1) == 0) continue;
    model.connectivity[i] =
        static_cast<float>(0.9 * model.connectivity[i] + 0.02 + 0.05 * random.normal(0, i));
  }
  model.psi = [](double x) { return 1.1 * std::tanh(0.9 * x); };
  model.phi = [exact = model.phi](std::int64_t neuron, double x) {
    return exact(neuron, x) + 0.01 * std::sin(x + 3 * static_cast<double>(neuron)) -
           0.01 * std::sin(3 * static_cast<double>(neuron));
  };
  return model;
}

/// Writes the assembly as a dataset, with or without its truth. @collective
inline std::filesystem::path write_assembly(Communicator& group, const std::filesystem::path& folder,
                                            const Assembly& assembly, bool with_truth) {
  DatasetInfo info;
  info.frames = assembly.frames;
  info.neurons = assembly.neurons();
  info.dt = 0.5;
  info.has_truth = with_truth;
  const RowPartition partition(info.neurons, 1);
  collectively(group, [&] {
    if (group.rank() != 0) return;
    DatasetShardWriter shard(folder, info, partition, 0);
    shard.write_frames(0, assembly.activity, {});
    if (with_truth) shard.write_true_connectivity(LocalRow{0}, assembly.connectivity);
    shard.close();
    write_dataset_view(folder, info, assembly.types, partition);
  });
  return folder / "activity.h5";
}

}  // namespace weft
