#include "assembly.hpp"

#include <numeric>

#include <ATen/TensorOperators.h>

#include "model/random_tensor.hpp"

namespace weft {

Assembly::Assembly() : activity(3 * random_tensor({frames, neurons}, 1)) {
  const at::Tensor w = random_tensor({neurons, neurons}, 2).fill_diagonal_(0);
  derivative = activity.tanh().matmul(w.t()) - activity;
}

TrainingData Assembly::data(const RowPartition& partition, int shard) const {
  const auto own = [&](const at::Tensor& values) {
    return values.narrow(1, partition.begin(shard), partition.size(shard)).to(at::kFloat).contiguous();
  };
  TrainingData data{partition, shard, own(activity), own(derivative), {}, 5};
  data.frames.with_derivative.resize(frames);
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  return data;
}

SignalGnn random_network(const RowPartition& partition, int shard, at::ScalarType type) {
  SignalGnn model = SignalGnn::initial(partition, shard, 3, type);
  const at::Tensor a = 1 + 0.3 * random_tensor({partition.rows(), 2}, 4);
  model.embedding.copy_(a.narrow(0, model.first_row(), model.rows()));
  for (Mlp* mlp : {&model.psi, &model.phi}) {
    at::Tensor& parameters = mlp->parameters();
    parameters.add_(0.1 * random_tensor(parameters.sizes(), 5).to(type));
  }
  return model;
}

}  // namespace weft
