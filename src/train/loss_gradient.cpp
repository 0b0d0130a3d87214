#include "weft/train/loss_gradient.hpp"

#include <cmath>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include "weft/train/tensor_buffer.hpp"

namespace weft {
namespace {

/// 1 / norm, and 0 where the norm is 0.
double inverse(double norm) { return norm > 0 ? 1 / norm : 0; }

}  // namespace

/// What one all-reduce carries: gradients of the shared functions, sums of squares. Gradients of a norm stay
/// unscaled until the norm is known.
struct LossGradient::Small {
  enum Sum { residual, zero, monotone, sums };

  at::Tensor all, psi_data, psi_monotone, phi_data, phi_zero, squares;

  explicit Small(const SignalGnn& model) {
    const std::int64_t psi = model.psi.parameters().numel();
    const std::int64_t phi = model.phi.parameters().numel();
    all = at::zeros({2 * psi + 2 * phi + sums}, model.connectivity.options());
    const std::vector<at::Tensor> parts = all.split_with_sizes({psi, psi, phi, phi, sums});
    psi_data = parts[0], psi_monotone = parts[1], phi_data = parts[2], phi_zero = parts[3],
    squares = parts[4];
  }
};

LossGradient::LossGradient(const ProcessGrid& grid, const LossConfig& weights, double delta)
    : grid_(grid), weights_(weights), delta_(delta) {}

StepGradient LossGradient::operator()(const SignalGnn& model, ConnectivityOptimizer& connectivity,
                                      const at::Tensor& x, const at::Tensor& y) {
  const std::int64_t batch = x.size(0);
  const std::int64_t rows = model.rows();
  const std::int64_t entries = batch * rows;
  const bool monotone = weights_.psi_monotone > 0;
  const bool zero = weights_.phi_zero > 0;
  Small small(model);

  // psi at x and, for the monotone term, at x + delta, in one pass.
  const at::Tensor flat = x.reshape({entries, 1});
  Mlp::Tape psi_tape;
  const at::Tensor psi = model.psi.forward(monotone ? at::cat({flat, flat + delta_}) : flat, psi_tape);
  const at::Tensor own_psi = psi.narrow(0, 0, entries).view({batch, rows});
  at::Tensor decrease, decrease_squares = at::zeros({batch}, x.options());
  if (monotone) {
    decrease = at::relu(own_psi - psi.narrow(0, entries, entries).view({batch, rows}));
    decrease_squares = decrease.square().sum(1);
  }
  StepGradient result;
  result.psi_values = gather_rows(own_psi, model.partition, decrease_squares);

  // phi at x and, for the zero term, at 0, in one pass.
  Mlp::Tape phi_tape;
  const at::Tensor phi_at = zero ? at::cat({x, at::zeros({1, rows}, x.options())}) : x;
  const at::Tensor phi = model.phi.forward(model.phi_input(phi_at), phi_tape);
  const at::Tensor message = connectivity.forward(result.psi_values);
  result.g = phi.narrow(0, 0, entries).view({batch, rows}) + message - y;

  const at::Tensor psi_slope = scatter_rows(connectivity.backward(result.g), model.partition, model.shard);
  model.psi.backward(psi_tape, 0, psi_slope.view({entries}), small.psi_data);
  small.squares[Small::residual] = result.g.square().sum();
  if (monotone) {
    const at::Tensor norms = decrease_squares.sqrt();
    if (grid_.shard() == 0) small.squares[Small::monotone] = weights_.psi_monotone * norms.sum();
    const at::Tensor slope =
        decrease * (weights_.psi_monotone / norms).masked_fill_(norms == 0, 0).unsqueeze(1);
    if (slope.any().item<bool>()) {
      const at::Tensor up = slope.view({entries});
      model.psi.backward(psi_tape, 0, at::cat({up, up.neg()}), small.psi_monotone);
    }
  }

  // The latents' gradient sums over the batch before it meets the first layer's weights.
  const at::Tensor of_data = model.phi.backward(phi_tape, 0, result.g.view({entries}), small.phi_data);
  result.embedding =
      model.phi.input_gradient(of_data.view({batch, rows, Mlp::hidden}).sum(0)).narrow(1, 1, 2);
  at::Tensor embedding_zero;
  if (zero) {
    const at::Tensor at_zero = phi.narrow(0, entries, rows);
    embedding_zero = model.phi.input_gradient(model.phi.backward(phi_tape, entries, at_zero, small.phi_zero))
                         .narrow(1, 1, 2);
    small.squares[Small::zero] = at_zero.square().sum();
    // Each replica has the same term: it is counted once.
    if (grid_.replica() != 0) {
      small.phi_zero.zero_();
      small.squares[Small::zero] = 0;
    }
  }

  Pending reducing = grid_.world().all_reduce(buffer_of(small.all), Reduction::sum);
  gather_replicas(result);
  reducing.wait();

  const at::Tensor squares = small.squares.to(at::kDouble);
  const double residual_norm = std::sqrt(squares[Small::residual].item<double>());
  const double zero_norm = std::sqrt(squares[Small::zero].item<double>());
  const double zero_weight = weights_.phi_zero * static_cast<double>(result.g.size(0));
  result.losses = {residual_norm, zero_weight * zero_norm, squares[Small::monotone].item<double>()};

  const double data_scale = inverse(residual_norm);
  const double zero_scale = zero_weight * inverse(zero_norm);
  result.g.mul_(data_scale);
  result.psi = small.psi_data * data_scale + small.psi_monotone;
  result.phi = small.phi_data * data_scale + small.phi_zero * zero_scale;
  result.embedding = result.embedding * data_scale;
  if (zero) result.embedding.add_(embedding_zero, zero_scale);
  return result;
}

/// The (B x rows) blocks of all shards side by side, (B x N). `extra` (B) rides along and comes back as its
/// sum over shards.
at::Tensor LossGradient::gather_rows(const at::Tensor& own, const RowPartition& partition,
                                     at::Tensor& extra) const {
  const std::int64_t batch = own.size(0);
  std::vector<std::int64_t> counts;
  for (const std::int64_t size : partition.sizes()) counts.push_back(batch * (size + 1));
  at::Tensor block = at::cat({own.reshape({-1}), extra});
  at::Tensor blocks = at::empty({batch * (partition.rows() + partition.shards())}, own.options());
  grid_.rows().all_gather(buffer_of(block), buffer_of(blocks), counts).wait();

  std::vector<at::Tensor> values;
  extra = at::zeros({batch}, own.options());
  for (const at::Tensor& one : blocks.split_with_sizes(counts)) {
    const std::int64_t entries = one.numel() - batch;
    values.push_back(one.narrow(0, 0, entries).view({batch, entries / batch}));
    extra.add_(one.narrow(0, entries, batch));
  }
  return at::cat(values, 1);
}

/// The sum over shards of (B x N), of which this shard keeps its columns, (B x rows).
at::Tensor LossGradient::scatter_rows(const at::Tensor& all, const RowPartition& partition, int shard) const {
  const std::int64_t batch = all.size(0);
  std::vector<std::int64_t> counts;
  std::vector<at::Tensor> blocks;
  for (const at::Tensor& columns : all.split_with_sizes(partition.sizes(), 1)) {
    blocks.push_back(columns.reshape({-1}));
    counts.push_back(columns.numel());
  }
  at::Tensor in_order = at::cat(blocks);
  at::Tensor own = at::empty({batch, partition.size(shard)}, all.options());
  grid_.rows().reduce_scatter(buffer_of(in_order), buffer_of(own), counts).wait();
  return own;
}

/// Puts the replicas' frames together: factors of W's gradient one after the other, the latents' gradients
/// summed. They are (n + N) B numbers against the N n of the gradient itself.
void LossGradient::gather_replicas(StepGradient& gradient) const {
  const int replicas = grid_.replicas().size();
  if (replicas == 1) return;
  const std::vector<at::Tensor*> parts{&gradient.g, &gradient.psi_values, &gradient.embedding};
  std::vector<at::Tensor> flat;
  std::vector<std::int64_t> sizes;
  for (const at::Tensor* part : parts) {
    flat.push_back(part->reshape({-1}));
    sizes.push_back(part->numel());
  }
  at::Tensor own = at::cat(flat);
  at::Tensor all = at::empty({replicas * own.numel()}, own.options());
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(replicas), own.numel());
  grid_.replicas().all_gather(buffer_of(own), buffer_of(all), counts).wait();

  std::vector<std::vector<at::Tensor>> gathered(parts.size());
  for (const at::Tensor& replica : all.view({replicas, own.numel()}).unbind(0)) {
    const std::vector<at::Tensor> pieces = replica.split_with_sizes(sizes);
    for (std::size_t k = 0; k < parts.size(); ++k) gathered[k].push_back(pieces[k].view(parts[k]->sizes()));
  }
  gradient.g = at::cat(gathered[0]);
  gradient.psi_values = at::cat(gathered[1]);
  for (std::size_t k = 1; k < gathered[2].size(); ++k) gathered[2][0] = gathered[2][0] + gathered[2][k];
  gradient.embedding = gathered[2][0];
}

}  // namespace weft
