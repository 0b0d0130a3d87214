#include "weft/train/loss_gradient.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include "weft/comm/sums.hpp"
#include "weft/core/phase.hpp"
#include "weft/train/tensor_buffer.hpp"

namespace weft {
namespace {

/// 1 / norm, and 0 where the norm is 0.
at::Tensor inverse_of(const at::Tensor& norms) { return norms.reciprocal().masked_fill_(norms == 0, 0); }

}  // namespace

std::vector<Losses> losses_in(const at::Tensor& sums) {
  const at::Tensor numbers = sums.to(at::kCPU).contiguous();
  const double* const of = numbers.const_data_ptr<double>();
  std::vector<Losses> losses;
  for (std::int64_t k = 0; k < numbers.numel(); k += kStepSums)
    losses.push_back({of[k], of[k + 1], of[k + 2]});
  return losses;
}

Votes votes_in(const at::Tensor& sums) {
  const at::Tensor numbers = sums.to(at::kCPU).contiguous();
  std::array<double, Votes::kCount> votes;
  std::copy_n(numbers.const_data_ptr<double>() + numbers.numel() - Votes::kCount, votes.size(), votes.data());
  return Votes::of(votes);
}

double gradient_norm(const ProcessGrid& grid, const SignalGnn& model, const StepGradient& gradient) {
  if (grid.replica() != 0) return std::sqrt(sum_over(grid.world(), 0.0));
  const at::Tensor& g = gradient.g;
  const at::Tensor& psi = gradient.psi_values;
  // Of g' psi the squares sum to those of the products of g's and of psi's Gram matrices over the batch.
  const at::Tensor diagonal = (g * psi.narrow(1, model.first_row(), g.size(1))).sum(0);
  at::Tensor squares = (at::mm(g, g.t()) * at::mm(psi, psi.t())).sum() - diagonal.square().sum();
  squares += gradient.embedding.square().sum();
  if (grid.shard() == 0) squares += gradient.psi.square().sum() + gradient.phi.square().sum();
  return std::sqrt(sum_over(grid.world(), squares.item<double>()));
}

/// What one all-reduce carries: gradients of the shared functions, sums of squares, votes. Gradients of a
/// norm stay unscaled until the norm is known.
struct LossGradient::Small {
  enum Sum { residual, zero, monotone, votes, count = votes + Votes::kCount };

  at::Tensor all, psi_data, psi_monotone, phi_data, phi_zero, sums;

  explicit Small(const SignalGnn& model) {
    const std::int64_t psi = model.psi.parameters().numel();
    const std::int64_t phi = model.phi.parameters().numel();
    all = at::zeros({2 * psi + 2 * phi + count}, model.connectivity.options());
    const std::vector<at::Tensor> parts = all.split_with_sizes({psi, psi, phi, phi, count});
    psi_data = parts[0], psi_monotone = parts[1], phi_data = parts[2], phi_zero = parts[3], sums = parts[4];
  }
};

/// psi at x and, for the monotone term, at x + delta.
struct LossGradient::PsiPass {
  Mlp::Tape tape;               ///< B x rows entries at x, then as many at x + delta
  at::Tensor values;            ///< (B x rows), at x
  at::Tensor decrease;          ///< (B x rows), relu(psi(x) - psi(x + delta)); undefined without the term
  at::Tensor decrease_squares;  ///< (B), its sum of squares over rows: of this shard, then of all
};

/// phi at x and, for the zero term, at 0.
struct LossGradient::PhiPass {
  Mlp::Tape tape;      ///< B x rows entries at x, then rows at 0
  at::Tensor values;   ///< (B x rows), at x
  at::Tensor at_zero;  ///< (rows); undefined without the term
};

/// The latents' gradient, (rows x 2) each, before the norms are known.
struct LossGradient::EmbeddingGradient {
  at::Tensor data;
  at::Tensor zero;  ///< undefined without the term
};

LossGradient::LossGradient(const ProcessGrid& grid, const LossConfig& weights, double delta)
    : grid_(grid), weights_(weights), delta_(delta) {}

StepGradient LossGradient::operator()(const SignalGnn& model, ConnectivityOptimizer& connectivity,
                                      const at::Tensor& x, const at::Tensor& y, const at::Tensor& votes) {
  std::optional<InPhase> phase(kPhaseForward);
  Small small(model);
  small.sums.narrow(0, Small::votes, Votes::kCount).copy_(votes);
  StepGradient result;
  PsiPass psi = evaluate_psi(model, x);
  result.psi_values = gather_rows(psi.values, model.partition, psi.decrease_squares);
  const PhiPass phi = evaluate_phi(model, x);
  result.g = phi.values + connectivity.forward(result.psi_values) - y;

  phase.reset();
  phase.emplace(kPhaseBackward);
  const at::Tensor psi_slope = scatter_rows(connectivity.backward(result.g), model.partition, model.shard);
  small.sums[Small::residual] = result.g.square().sum();
  differentiate_psi(model, psi, psi_slope, small);
  const EmbeddingGradient embedding = differentiate_phi(model, phi, result.g, small);

  result.embedding = embedding.data;
  Pending reducing = grid_.world().all_reduce(buffer_of(small.all), Reduction::sum);
  gather_replicas(result);
  reducing.wait();
  scale(small, embedding.zero, result);
  return result;
}

LossGradient::PsiPass LossGradient::evaluate_psi(const SignalGnn& model, const at::Tensor& x) const {
  PsiPass pass;
  const at::Tensor flat = x.reshape({-1, 1});
  const bool monotone = weights_.psi_monotone > 0;
  const at::Tensor psi = model.psi.forward(monotone ? at::cat({flat, flat + delta_}) : flat, pass.tape);
  pass.values = psi.narrow(0, 0, x.numel()).view(x.sizes());
  pass.decrease_squares = at::zeros({x.size(0)}, x.options());
  if (monotone) {
    pass.decrease = at::relu(pass.values - psi.narrow(0, x.numel(), x.numel()).view(x.sizes()));
    pass.decrease_squares = pass.decrease.square().sum(1);
  }
  return pass;
}

LossGradient::PhiPass LossGradient::evaluate_phi(const SignalGnn& model, const at::Tensor& x) const {
  PhiPass pass;
  const bool zero = weights_.phi_zero > 0;
  const at::Tensor abscissae = zero ? at::cat({x, at::zeros({1, x.size(1)}, x.options())}) : x;
  const at::Tensor phi = model.phi.forward(model.phi_input(abscissae), pass.tape);
  pass.values = phi.narrow(0, 0, x.numel()).view(x.sizes());
  if (zero) pass.at_zero = phi.narrow(0, x.numel(), x.size(1));
  return pass;
}

void LossGradient::differentiate_psi(const SignalGnn& model, const PsiPass& pass, const at::Tensor& slope,
                                     Small& small) const {
  model.psi.backward(pass.tape, 0, slope.view({-1}), small.psi_data);
  if (!pass.decrease.defined()) return;
  const at::Tensor norms = pass.decrease_squares.sqrt();
  // Every shard knows the norms over all rows; one of them reports the term.
  if (grid_.shard() == 0) small.sums[Small::monotone] = weights_.psi_monotone * norms.sum();
  const at::Tensor scale = (weights_.psi_monotone / norms).masked_fill_(norms == 0, 0);
  const at::Tensor up = (pass.decrease * scale.unsqueeze(1)).view({-1});
  // Where psi rises everywhere, the host need not go back; a GPU does, for asking it would take as long.
  if (up.is_cpu() && !up.any().item<bool>()) return;
  model.psi.backward(pass.tape, 0, at::cat({up, up.neg()}), small.psi_monotone);
}

LossGradient::EmbeddingGradient LossGradient::differentiate_phi(const SignalGnn& model, const PhiPass& pass,
                                                                const at::Tensor& residual,
                                                                Small& small) const {
  // The latents' gradient sums over the batch before it meets the first layer's weights.
  const at::Tensor first_layer = model.phi.backward(pass.tape, 0, residual.view({-1}), small.phi_data);
  const at::Tensor summed = first_layer.view({residual.size(0), residual.size(1), Mlp::hidden}).sum(0);
  EmbeddingGradient embedding{model.phi.input_gradient(summed).narrow(1, 1, 2), {}};
  if (!pass.at_zero.defined()) return embedding;
  const at::Tensor of_zero = model.phi.backward(pass.tape, residual.numel(), pass.at_zero, small.phi_zero);
  embedding.zero = model.phi.input_gradient(of_zero).narrow(1, 1, 2);
  small.sums[Small::zero] = pass.at_zero.square().sum();
  // Each replica has the same term: it is counted once.
  if (grid_.replica() != 0) {
    small.phi_zero.zero_();
    small.sums[Small::zero] = 0;
  }
  return embedding;
}

/// Divides each gradient by its norm, now that the norms are known.
void LossGradient::scale(const Small& small, const at::Tensor& embedding_zero, StepGradient& gradient) const {
  const at::Tensor sums = small.sums.to(at::kDouble);
  const double zero_weight = weights_.phi_zero * static_cast<double>(gradient.g.size(0));
  const at::Tensor norms = sums.narrow(0, Small::residual, 2).sqrt();
  at::Tensor zero_norm = norms[Small::zero];
  const at::Tensor scales = inverse_of(norms);
  const at::Tensor data_scale = scales[Small::residual];
  const at::Tensor zero_scale = scales[Small::zero] * zero_weight;
  zero_norm.mul_(zero_weight);
  gradient.sums = at::cat({norms, sums.narrow(0, Small::monotone, 1 + Votes::kCount)});

  gradient.g.mul_(data_scale);
  gradient.psi = small.psi_data * data_scale + small.psi_monotone;
  gradient.phi = small.phi_data * data_scale + small.phi_zero * zero_scale;
  gradient.embedding = gradient.embedding * data_scale;
  if (embedding_zero.defined()) gradient.embedding.add_(embedding_zero * zero_scale);
}

/// The (B x rows) blocks of all shards side by side, (B x N). `extra` (B) rides along and comes back as its
/// sum over shards.
at::Tensor LossGradient::gather_rows(const at::Tensor& own, const RowPartition& partition,
                                     at::Tensor& extra) const {
  if (partition.shards() == 1) return own;
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
  if (partition.shards() == 1) return all;
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
