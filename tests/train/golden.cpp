#include "golden.hpp"

#include <numeric>
#include <utility>
#include <vector>

#include <H5Fpublic.h>
#include <H5Gpublic.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "weft/io/hdf5.hpp"

#include "support/paths.hpp"

namespace weft {

namespace {

std::string golden_file() { return (golden_folder() / "step_n24.h5").string(); }

}  // namespace

GoldenSteps::GoldenSteps(std::string name) : name_(std::move(name)) {}

at::Tensor GoldenSteps::read(const std::string& name) const {
  const hdf5::File file = hdf5::File::open(golden_file());
  const hdf5::Dataset dataset = file.dataset(name_ + "/" + name);
  const hdf5::Shape shape = dataset.shape();
  at::Tensor values = at::empty(shape, at::kDouble);
  dataset.read<double>(
      hdf5::Shape(shape.size(), 0), shape,
      std::span(values.mutable_data_ptr<double>(), static_cast<std::size_t>(values.numel())));
  return values;
}

double GoldenSteps::attribute(const std::string& name) const {
  const hdf5::Handle file(H5Fopen(golden_file().c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  const hdf5::Handle group(H5Gopen2(file.id(), name_.c_str(), H5P_DEFAULT), H5Gclose);
  return hdf5::Attributes(group.id(), name_).read<double>(name).at(0);
}

TrainingConfig GoldenSteps::config() const {
  TrainingConfig config;
  config.steps = kSteps;
  config.batch_size = batch();
  config.learning_rate = {attribute("lr_W"), attribute("lr_a"), attribute("lr_phi"), attribute("lr_psi")};
  config.loss.phi_zero = attribute("coeff_phi_zero");
  config.loss.psi_monotone = attribute("coeff_edge_diff");
  return config;
}

TrainingData GoldenSteps::data(const RowPartition& partition, int shard) const {
  TrainingData data{partition, shard, {}, {}, {}, attribute("xnorm")};
  const std::int64_t frames = kSteps * batch();
  const auto own = [&](const std::string& name) {
    return read(name)
        .view({frames, kNeurons})
        .narrow(1, partition.begin(shard), partition.size(shard))
        .contiguous();
  };
  data.activity = own("x");
  data.derivative = own("y");
  data.frames.with_derivative.resize(static_cast<std::size_t>(frames));
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  return data;
}

SignalGnn GoldenSteps::model(const std::string& group, const RowPartition& partition, int shard) const {
  SignalGnn model = SignalGnn::empty(partition, shard, at::kDouble);
  model.connectivity.copy_(read(group + "/W").narrow(0, model.first_row(), model.rows()));
  model.embedding.copy_(read(group + "/a").narrow(0, model.first_row(), model.rows()));
  model.psi.parameters().copy_(flat(group, "psi"));
  model.phi.parameters().copy_(flat(group, "phi"));
  return model;
}

at::Tensor GoldenSteps::flat(const std::string& group, const std::string& mlp) const {
  std::vector<at::Tensor> parts;
  for (const char* part : {"weight0", "bias0", "weight1", "bias1", "weight2", "bias2"}) {
    parts.push_back(read(group + "/" + mlp + "/" + part).view({-1}));
  }
  return at::cat(parts);
}

}  // namespace weft
