#include "weft/model/signal_gnn.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "weft/model/load_tensor.hpp"

namespace weft {
namespace {

template <typename T>
void draw_connectivity(at::Tensor& w, std::int64_t first_row, std::uint64_t seed) {
  const Philox random(seed, RandomStream::initial_connectivity);
  const std::int64_t columns = w.size(1);
  T* values = w.mutable_data_ptr<T>();
  at::parallel_for(0, w.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = first_row + i;
      for (std::int64_t j = 0; j < columns; ++j) {
        values[i * columns + j] =
            j == row ? T{0} : static_cast<T>(random.normal(0, static_cast<std::uint64_t>(row * columns + j)));
      }
    }
  });
}

void load_mlp(const Checkpoint& checkpoint, const std::string& name, const Mlp& mlp) {
  for (const auto& [part, view] : mlp.named_parameters()) load_common(checkpoint, name + "/" + part, view);
}

/// Rows of phi evaluated together: bounds the workspace of a grid of hundreds of points for thousands of
/// neurons.
constexpr std::int64_t kPhiPoints = 1 << 16;

class RecoveredGnn final : public RecoveredModel {
 public:
  explicit RecoveredGnn(SignalGnn model) : model_(std::move(model)) {}

  const RowPartition& partition() const override { return model_.partition; }
  int shard() const override { return model_.shard; }

  RowBlock<const float> connectivity() const override {
    const std::int64_t columns = model_.connectivity.size(1);
    return {model_.connectivity.const_data_ptr<float>(), model_.rows(), columns, columns};
  }

  std::vector<double> embedding() const override { return to_doubles(model_.embedding); }

  std::vector<double> psi(std::span<const double> x) const override {
    const c10::InferenceMode guard;
    return to_doubles(model_.psi.forward(points(x).unsqueeze(1)));
  }

  std::vector<double> phi(LocalRow first, std::int64_t count, std::span<const double> x) const override {
    const c10::InferenceMode guard;
    const auto grid = static_cast<std::int64_t>(x.size());
    const std::int64_t block = std::max<std::int64_t>(1, kPhiPoints / grid);
    const at::Tensor abscissae = points(x);
    std::vector<double> values;
    values.reserve(static_cast<std::size_t>(count * grid));
    for (std::int64_t begin = 0; begin < count; begin += block) {
      const std::int64_t rows = std::min(block, count - begin);
      const at::Tensor a = model_.embedding.narrow(0, index(first) + begin, rows);
      const at::Tensor input =
          at::cat({abscissae.expand({rows, grid}).unsqueeze(2), a.unsqueeze(1).expand({rows, grid, 2})}, 2);
      const std::vector<double> part = to_doubles(model_.phi.forward(input.view({rows * grid, 3})));
      values.insert(values.end(), part.begin(), part.end());
    }
    return values;
  }

 private:
  static at::Tensor points(std::span<const double> x) {
    return at::from_blob(const_cast<double*>(x.data()), {static_cast<std::int64_t>(x.size())}, at::kDouble)
        .to(at::kFloat);
  }
  static std::vector<double> to_doubles(const at::Tensor& tensor) {
    const at::Tensor copy = tensor.to(at::kDouble).contiguous();
    return {copy.const_data_ptr<double>(), copy.const_data_ptr<double>() + copy.numel()};
  }

  SignalGnn model_;
};

}  // namespace

SignalGnn SignalGnn::empty(const RowPartition& partition, int shard, at::ScalarType type) {
  const std::int64_t rows = partition.size(shard);
  return {partition,    shard,       at::empty({rows, partition.rows()}, type), at::ones({rows, 2}, type),
          Mlp(1, type), Mlp(3, type)};
}

SignalGnn SignalGnn::initial(const RowPartition& partition, int shard, std::uint64_t seed,
                             at::ScalarType type) {
  SignalGnn model = empty(partition, shard, type);
  if (type == at::kDouble) {
    draw_connectivity<double>(model.connectivity, model.first_row(), seed);
  } else {
    draw_connectivity<float>(model.connectivity, model.first_row(), seed);
  }
  model.psi.initialise(Philox(seed, RandomStream::initial_psi));
  model.phi.initialise(Philox(seed, RandomStream::initial_phi));
  return model;
}

SignalGnn SignalGnn::to(at::Device device) const {
  return {partition, shard, connectivity.to(device), embedding.to(device), psi.to(device), phi.to(device)};
}

at::Tensor SignalGnn::phi_input(const at::Tensor& x) const {
  const std::int64_t batch = x.size(0);
  const at::Tensor a = embedding.unsqueeze(0).expand({batch, rows(), 2});
  return at::cat({x.unsqueeze(2), a}, 2).view({batch * rows(), 3});
}

SignalGnn load_signal_gnn(const Checkpoint& checkpoint, const RowPartition& partition, int shard) {
  checkpoint.require_neurons(partition.rows());
  SignalGnn model = SignalGnn::empty(partition, shard, at::kFloat);
  const GlobalRow first{model.first_row()};
  load_rows(checkpoint, "connectivity", first, model.connectivity);
  load_rows(checkpoint, "embedding", first, model.embedding);
  load_mlp(checkpoint, "psi", model.psi);
  load_mlp(checkpoint, "phi", model.phi);
  return model;
}

std::unique_ptr<RecoveredModel> recovered(SignalGnn model) {
  return std::make_unique<RecoveredGnn>(std::move(model));
}

}  // namespace weft
