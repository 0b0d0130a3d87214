#include "weft/train/psi_projection.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include "weft/train/gram_matrix.hpp"
#include "weft/train/numerical_breakdown.hpp"

#include "train/rounded_products.hpp"
#include "train/tensor_sums.hpp"

namespace weft {
namespace {

// What a second projection may remove, of what the first removed, before the arithmetic is called broken.
constexpr double kWorstContraction = 0.3;

}  // namespace

PsiProjection::PsiProjection(const ProcessGrid& grid, const NeuronSignals& signals,
                             const std::vector<std::int64_t>& frames, const std::vector<double>& psi,
                             const EquationForm& form, WorkLog& log)
    : grid_(grid), signals_(signals), form_(form) {
  log.phase("psi: splines", 0, [&] {
    psi_ = signals.psi_values(frames, psi, form);
    ColumnMoments moments;
    moments.add(psi_);
    scaling_ = scale_columns(grid, signals.partition, std::move(moments));
    scaling_.apply(psi_);
  });
  factor(log);
}

void PsiProjection::factor(WorkLog& log) {
  const RowPartition& partition = signals_.partition;
  GramMatrix gram(grid_, partition, psi_.options());
  at::Tensor sum = log.phase("psi: Gram matrix", gram.flops(psi_.size(0)), [&] {
    const RoundedProducts rounded(form_.tf32);
    const std::int64_t chunk = gathered_frames(grid_, partition);
    for (std::int64_t first = 0; first < psi_.size(0); first += chunk) {
      gram.add(gather_columns(grid_.rows(), partition,
                              psi_.narrow(0, first, std::min(chunk, psi_.size(0) - first))));
    }
    return gram.take();
  });
  factor_ = log.phase("psi: Cholesky", factor_flops(partition.rows(), grid_.world().size()),
                      [&] { return factor_gram(grid_.world(), std::move(sum)); });
  if (factor_ == nullptr) throw NumericalBreakdown("the Gram matrix of psi(x) is not positive definite");
}

/// Psi' values, (N x columns), on every rank.
at::Tensor PsiProjection::right_hand_sides(const at::Tensor& values) const {
  const RoundedProducts rounded(form_.tf32);
  at::Tensor own = at::mm(psi_.t(), values);
  sum_over(grid_.replicas(), own);
  if (grid_.shards() == 1) return own;
  at::Tensor all = at::empty({signals_.partition.rows(), values.size(1)}, own.options());
  std::vector<std::int64_t> counts;
  for (const std::int64_t size : signals_.partition.sizes()) counts.push_back(size * values.size(1));
  grid_.rows().all_gather(buffer_of(own), buffer_of(all), counts).wait();
  return all;
}

/// (G^-1 right)', (columns x N), on every rank; each solves for some of the columns.
at::Tensor PsiProjection::solve(const at::Tensor& right) const {
  const std::int64_t columns = right.size(1);
  const std::int64_t ranks = grid_.world().size();
  const auto begin = [&](std::int64_t rank) { return columns * rank / ranks; };
  const std::int64_t first = begin(grid_.world().rank());
  at::Tensor own = right.narrow(1, first, begin(grid_.world().rank() + 1) - first).t().contiguous();
  factor_->solve(own);
  if (ranks == 1) return own;
  at::Tensor all = at::empty({columns, right.size(0)}, own.options());
  std::vector<std::int64_t> counts;
  for (std::int64_t rank = 0; rank < ranks; ++rank)
    counts.push_back((begin(rank + 1) - begin(rank)) * right.size(0));
  grid_.world().all_gather(buffer_of(own), buffer_of(all), counts).wait();
  return all;
}

/// Psi times the coefficients' columns: (columns x N) to (own frames x columns).
at::Tensor PsiProjection::combine(const at::Tensor& coefficients) const {
  const at::Tensor own = coefficients.narrow(1, signals_.partition.begin(signals_.shard), signals_.rows());
  at::Tensor sum = at::mm(psi_, own.t());
  sum_over(grid_.rows(), sum);
  return sum;
}

at::Tensor PsiProjection::filters(const at::Tensor& unit) const { return combine(solve(unit)); }

at::Tensor PsiProjection::project(const at::Tensor& values, at::Tensor* coefficients) const {
  at::Tensor rest = values.to(form_.type, /*non_blocking=*/false, /*copy=*/true);
  std::array<double, 2> removed{};
  for (double& squares : removed) {
    const at::Tensor z = solve(right_hand_sides(rest));
    if (coefficients != nullptr) {
      *coefficients = coefficients->defined() ? coefficients->add_(z) : z.to(at::kDouble);
    }
    const at::Tensor part = combine(z);
    squares = sum_over(grid_.replicas(), squares_of(part));
    rest.sub_(part);
  }
  const double contraction = std::sqrt(removed[1] / std::max(removed[0], std::numeric_limits<double>::min()));
  if (!(contraction < kWorstContraction)) {
    throw NumericalBreakdown(fmt::format(
        "a refinement in the search for psi changed the projection by {:.2g} of itself", contraction));
  }
  return rest.to(at::kDouble);
}

double PsiProjection::project_flops(std::int64_t columns) const {
  const double products = 4.0 * static_cast<double>(psi_.numel()) * static_cast<double>(columns);
  return 2 * (products + factor_->solve_flops(columns) / grid_.world().size());
}

}  // namespace weft
