#include "weft/train/psi_problem.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "weft/train/numerical_breakdown.hpp"

#include "train/tensor_sums.hpp"
#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

constexpr double kPhiCut = 1e-9;  // smallest eigenvalue of S_i that counts, of the largest
constexpr std::int64_t kOwnersPerEnd = 8;
constexpr std::int64_t kFramesAtATime = 2048;

/// A series of some neurons, wherever they are, at some frames: (frames x neurons) float64, on the host of
/// every shard. `series` is (T x own neurons). @collective
at::Tensor gather_neurons(Communicator& rows, const NeuronSignals& signals, const at::Tensor& series,
                          std::span<const std::int64_t> frames, const std::vector<std::int64_t>& neurons) {
  at::Tensor all = at::zeros({std::ssize(frames), std::ssize(neurons)}, at::kDouble);
  const at::Tensor wanted = index_of(frames).to(series.device());
  for (std::size_t k = 0; k < neurons.size(); ++k) {
    const GlobalRow row{neurons[k]};
    if (signals.partition.owner(row) != signals.shard) continue;
    const at::Tensor own = series.select(1, index(signals.partition.local(row)));
    all.select(1, static_cast<std::int64_t>(k)).copy_(own.index_select(0, wanted));
  }
  sum_over(rows, all);
  return all;
}

/// The places of the `count` largest values, those of `taken` left out; fewer where there are no more.
std::vector<std::int64_t> largest(const std::vector<double>& values, std::int64_t count,
                                  const std::vector<std::int64_t>& taken) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](std::int64_t k) { return std::ranges::find(taken, k) != taken.end(); });
  const auto end = order.begin() + std::min(count, std::ssize(order));
  std::ranges::partial_sort(order, end, std::greater<>(),
                            [&](std::int64_t k) { return values[static_cast<std::size_t>(k)]; });
  order.erase(end, order.end());
  return order;
}

}  // namespace

PsiProblem::PsiProblem(const ProcessGrid& grid, const NeuronSignals& signals, std::vector<std::int64_t> rows,
                       const Frames& frames, std::int64_t psi_splines, std::int64_t phi_splines,
                       const EquationForm& form, WorkLog& log)
    : grid_(grid),
      signals_(signals),
      log_(log),
      rows_(std::move(rows)),
      frames_(std::ssize(frames)),
      psi_splines_(psi_splines),
      phi_basis_(phi_splines),
      form_(form) {
  const auto share = replica_share(grid, frames);
  own_frames_.assign(share.begin(), share.end());
  log.phase("psi: data of the sampled rows", 0, [&] {
    at::Tensor data = series_of_rows(own_frames_);
    if (form.differenced) {
      Frames before = own_frames_;
      for (std::int64_t& frame : before) --frame;
      data.sub_(series_of_rows(before));
    }
    data_ = centred(data.to(signals.device));
    total_squares_ = sum_over(grid.replicas(), squares_of(data_.narrow(1, 0, std::ssize(rows_))));
  });
}

double PsiProblem::degrees_of_freedom() const {
  const auto rows = static_cast<double>(rows_.size());
  const std::int64_t spare = frames_ - signals_.partition.rows() - phi_basis_.count();
  return std::max(1.0, rows * static_cast<double>(spare) - static_cast<double>(unknowns()));
}

at::Tensor PsiProblem::centred(at::Tensor values) const {
  at::Tensor mean = values.sum(0, true).contiguous();
  sum_over(grid_.replicas(), mean);
  return values.sub_(mean.div_(static_cast<double>(frames_)));
}

/// y of the sampled rows, then the splines of each at its own activity: (frames x R (1 + M)), on the host.
at::Tensor PsiProblem::series_of_rows(const Frames& frames) const {
  const std::int64_t rows = std::ssize(rows_);
  const std::int64_t splines = phi_basis_.count();
  at::Tensor series = at::zeros({std::ssize(frames), rows * (1 + splines)}, at::kDouble);
  series.narrow(1, 0, rows).copy_(gather_neurons(grid_.rows(), signals_, signals_.derivative, frames, rows_));
  const at::Tensor u = gather_neurons(grid_.rows(), signals_, signals_.coordinate, frames, rows_);
  const double* const from = u.const_data_ptr<double>();
  double* const to = series.mutable_data_ptr<double>();
#pragma omp parallel for schedule(static)
  for (std::int64_t f = 0; f < u.size(0); ++f) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto local = phi_basis_.at((from[f * rows + r] - signals_.axis.low) / signals_.axis.width);
      std::copy_n(local.value, 4, to + f * series.size(1) + rows + r * splines + local.first);
    }
  }
  return series;
}

at::Tensor PsiProblem::project(const at::Tensor& values, at::Tensor* coefficients) const {
  return log_.phase("psi: projections", projection_->project_flops(values.size(1)),
                    [&] { return projection_->project(values, coefficients); });
}

/// Each sampled row by itself: phi from what is left of y and Phi, then W.
void PsiProblem::solve_rows(PsiEvaluation& e, const at::Tensor& projected,
                            const at::Tensor& coefficients) const {
  const std::int64_t rows = std::ssize(rows_);
  const std::int64_t splines = phi_basis_.count();
  const at::Tensor rest_y = projected.narrow(1, 0, rows);
  e.rest_phi =
      projected.narrow(1, rows, rows * splines).view({-1, rows, splines}).permute({1, 0, 2}).contiguous();
  const at::Tensor transposed = e.rest_phi.transpose(1, 2);
  e.metric = at::bmm(transposed, e.rest_phi);
  at::Tensor right = at::bmm(transposed, rest_y.t().unsqueeze(2).contiguous());
  sum_over(grid_.replicas(), e.metric);
  sum_over(grid_.replicas(), right);
  e.metric = e.metric.cpu();
  const auto [values, vectors] = at::linalg_eigh(e.metric);
  const at::Tensor keep = values > kPhiCut * values.narrow(1, splines - 1, 1);
  const at::Tensor inverted = at::where(keep, values.reciprocal(), at::zeros({1}, at::kDouble));
  e.inverse = at::bmm(vectors * inverted.unsqueeze(1), vectors.transpose(1, 2)).to(right.device());
  e.phi = at::bmm(e.inverse, right).squeeze(2);
  e.remainder = rest_y - at::bmm(e.rest_phi, e.phi.unsqueeze(2)).squeeze(2).t();

  const std::int64_t first = signals_.partition.begin(signals_.shard);
  const at::Tensor own = coefficients.narrow(1, first, signals_.rows());
  const at::Tensor of_phi = own.narrow(0, rows, rows * splines).reshape({rows, splines, signals_.rows()});
  const at::Tensor w = own.narrow(0, 0, rows) - at::bmm(e.phi.unsqueeze(1), of_phi).squeeze(1);
  e.weights = (w * tensor_of(projection_->scaling().scale).to(w.options())).t().contiguous().to(form_.type);
  const double squares = sum_over(grid_.replicas(), squares_of(e.remainder.contiguous()));
  e.residual = std::sqrt(squares / total_squares_);
}

PsiEvaluation PsiProblem::evaluate(const std::vector<double>& psi) {
  projection_.reset();  // before the next one takes as much memory
  projection_.emplace(grid_, signals_, own_frames_, psi, form_, log_);
  PsiEvaluation evaluation;
  at::Tensor coefficients;
  const at::Tensor projected = project(data_, &coefficients);
  log_.phase("psi: rows", 0, [&] { solve_rows(evaluation, projected, coefficients); });
  if (!std::isfinite(evaluation.residual))
    throw NumericalBreakdown("the residual of the sampled rows is not finite");
  return evaluation;
}

/// The derivative of the projected residual: that of the input of each row, projected as the data are.
PsiNormalEquations PsiProblem::linearise(const PsiEvaluation& e) const {
  const std::int64_t rows = std::ssize(rows_);
  at::Tensor sensitivity = log_.phase("psi: derivative", 0, [&] {
    at::Tensor sum = signals_.psi_sensitivity(own_frames_, e.weights, psi_splines_, form_);
    sum_over(grid_.rows(), sum);
    return centred(sum.view({-1, rows * unknowns()}).to(at::kDouble));
  });
  sensitivity = project(sensitivity, nullptr);
  return log_.phase("psi: derivative", 0, [&] {
    at::Tensor by_row = sensitivity.view({-1, rows, unknowns()}).permute({1, 0, 2}).contiguous();
    sensitivity.reset();
    at::Tensor products = at::bmm(e.rest_phi.transpose(1, 2), by_row);
    sum_over(grid_.replicas(), products);
    by_row.sub_(at::bmm(e.rest_phi, at::bmm(e.inverse, products)));
    const at::Tensor jacobian = by_row.view({-1, unknowns()});
    PsiNormalEquations normal{at::mm(jacobian.t(), jacobian),
                              at::mm(jacobian.t(), e.remainder.t().contiguous().view({-1, 1}))};
    sum_over(grid_.replicas(), normal.matrix);
    sum_over(grid_.replicas(), normal.gradient);
    return PsiNormalEquations{normal.matrix.cpu(), normal.gradient.cpu()};
  });
}

/// Own neurons' part of the columns of W of these presynaptic neurons, (neurons x rows), up to scale: phi is
/// neglected.
at::Tensor PsiProblem::weights_from(const std::vector<std::int64_t>& neurons) const {
  at::Tensor unit = at::zeros({signals_.partition.rows(), std::ssize(neurons)}, form_.type);
  for (std::size_t k = 0; k < neurons.size(); ++k) unit[neurons[k]][static_cast<std::int64_t>(k)] = 1;
  const at::Tensor filters = projection_->filters(unit.to(signals_.device));
  at::Tensor weights = at::zeros({std::ssize(neurons), signals_.rows()}, filters.options());
  for (std::int64_t first = 0; first < filters.size(0); first += kFramesAtATime) {
    const std::int64_t count = std::min(kFramesAtATime, filters.size(0) - first);
    const std::span frames(own_frames_.data() + first, static_cast<std::size_t>(count));
    weights.addmm_(filters.narrow(0, first, count).t(), signals_.derivative_values(frames, form_));
  }
  sum_over(grid_.replicas(), weights);
  // In its own row a neuron's column holds its phi, which is solved for there anyway.
  for (std::size_t k = 0; k < neurons.size(); ++k) {
    const GlobalRow row{neurons[k]};
    if (signals_.partition.owner(row) != signals_.shard) continue;
    weights[static_cast<std::int64_t>(k)][index(signals_.partition.local(row))] = 0;
  }
  return weights;
}

std::vector<std::int64_t> PsiProblem::rows_that_hear_the_ends(std::int64_t count) const {
  std::vector<std::int64_t> chosen, taken = rows_;
  for (const at::Tensor& peak : {signals_.coordinate.amax(0), -signals_.coordinate.amin(0)}) {
    const auto peaks = gather_blocks(grid_.rows(), vector_of(peak), signals_.partition.sizes());
    const at::Tensor weights = weights_from(largest(peaks, kOwnersPerEnd, {}));
    const auto scores =
        gather_blocks(grid_.rows(), vector_of(column_dots(weights, weights)), signals_.partition.sizes());
    const std::vector<std::int64_t> more = largest(scores, count, taken);
    chosen.insert(chosen.end(), more.begin(), more.end());
    taken.insert(taken.end(), more.begin(), more.end());
  }
  return chosen;
}

}  // namespace weft
