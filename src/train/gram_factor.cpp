#include "weft/train/gram_factor.hpp"

#include <algorithm>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"

#include "train/tensor_sums.hpp"
#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

// Columns treated together: all but this part of the work is matrix products.
constexpr std::int64_t kBlock = 512;
// Right-hand sides solved together.
constexpr std::int64_t kPanel = 2048;

/// Of the mean diagonal: what rounding may have taken from it, and no more, for refinement has to make up for
/// it.
double ridge_of(const at::Tensor& gram) { return gram.scalar_type() == at::kDouble ? 1e-12 : 1e-6; }

/// G = U' U, with U upper triangular, row-major; what lies below the diagonal means nothing.
class ReplicatedFactor final : public GramFactor {
 public:
  /// `gram` with its ridge.
  ReplicatedFactor(Communicator& world, at::Tensor gram, double ridge)
      : world_(world), u_(std::move(gram)), ridge_(ridge) {}

  /// False, on all ranks, where a pivot is not positive.
  bool factor();
  /// Where the matrix given is the factor already.
  void restore();
  void solve(at::Tensor& b) const override;
  double solve_flops(std::int64_t right_hand_sides) const override {
    return 2.0 * static_cast<double>(size() * size() * right_hand_sides);
  }
  double ridge() const override { return ridge_; }
  std::vector<double> pivots() const override;
  std::vector<double> inverse_diagonal() const override;
  const at::Tensor& upper() const override { return u_; }

 private:
  std::int64_t size() const { return u_.size(0); }
  std::int64_t end_of(std::int64_t first) const { return std::min(first + kBlock, size()); }
  at::Tensor part(std::int64_t row, std::int64_t row_end, std::int64_t column,
                  std::int64_t column_end) const {
    return u_.narrow(0, row, row_end - row).narrow(1, column, column_end - column);
  }
  void invert(const at::Tensor& diagonal);
  void factor_beside(std::int64_t first, std::int64_t end, const at::Tensor& inverse);
  void solve_forward(at::Tensor& b, std::int64_t from) const;
  void solve_backward(at::Tensor& b) const;

  Communicator& world_;
  at::Tensor u_;
  double ridge_;
  std::vector<at::Tensor> inverses_;  ///< of the diagonal blocks
};

/// Block by block of rows: what the rows above explain is taken off, and what is left is divided by its
/// diagonal block. Every rank does the diagonal block, and its share of what lies beside it.
bool ReplicatedFactor::factor() {
  for (std::int64_t first = 0; first < size(); first = end_of(first)) {
    const std::int64_t end = end_of(first);
    at::Tensor diagonal = part(first, end, first, end);
    if (first > 0) {
      const at::Tensor above = part(0, first, first, end);
      diagonal.addmm_(above.t(), above, 1, -1);
    }
    const auto [upper, info] = at::linalg_cholesky_ex(diagonal, /*upper=*/true);
    if (sum_over(world_, info.item<int>() == 0 ? 0.0 : 1.0) > 0) return false;
    diagonal.copy_(upper);
    invert(diagonal);
    if (end < size()) factor_beside(first, end, inverses_.back());
    note_step(whereabouts().step);
  }
  return true;
}

void ReplicatedFactor::restore() {
  for (std::int64_t first = 0; first < size(); first = end_of(first))
    invert(part(first, end_of(first), first, end_of(first)));
}

/// A diagonal block of U, the next one.
void ReplicatedFactor::invert(const at::Tensor& diagonal) {
  const at::Tensor unit = at::eye(diagonal.size(0), u_.options());
  inverses_.push_back(at::linalg_solve_triangular(diagonal.contiguous(), unit, /*upper=*/true).contiguous());
}

void ReplicatedFactor::factor_beside(std::int64_t first, std::int64_t end, const at::Tensor& inverse) {
  const std::int64_t ranks = world_.size();
  const auto begin = [&](std::int64_t rank) { return end + (size() - end) * rank / ranks; };
  const std::int64_t from = begin(world_.rank());
  const std::int64_t to = begin(world_.rank() + 1);
  at::Tensor own = part(first, end, from, to);
  if (first > 0) own.addmm_(part(0, first, first, end).t(), part(0, first, from, to), 1, -1);
  at::Tensor solved = at::matmul(inverse.t(), own);
  if (ranks == 1) {
    own.copy_(solved);
    return;
  }
  at::Tensor all = at::empty({(end - first) * (size() - end)}, u_.options());
  std::vector<std::int64_t> counts;
  for (std::int64_t rank = 0; rank < ranks; ++rank)
    counts.push_back((end - first) * (begin(rank + 1) - begin(rank)));
  world_.all_gather(buffer_of(solved), buffer_of(all), counts).wait();
  for (std::int64_t rank = 0, at = 0; rank < ranks; at += counts[static_cast<std::size_t>(rank++)]) {
    part(first, end, begin(rank), begin(rank + 1))
        .copy_(all.narrow(0, at, counts[static_cast<std::size_t>(rank)]).view({end - first, -1}));
  }
}

/// b := b U^-1, for right-hand sides that are 0 before column `from`, the first of a block.
void ReplicatedFactor::solve_forward(at::Tensor& b, std::int64_t from) const {
  for (std::int64_t first = from; first < size(); first = end_of(first)) {
    const std::int64_t end = end_of(first);
    at::Tensor block = b.narrow(1, first, end - first);
    if (first > from) block.addmm_(b.narrow(1, from, first - from), part(from, first, first, end), 1, -1);
    block.copy_(at::matmul(block, inverses_[static_cast<std::size_t>(first / kBlock)]));
  }
}

/// b := b U'^-1.
void ReplicatedFactor::solve_backward(at::Tensor& b) const {
  for (std::int64_t k = std::ssize(inverses_) - 1; k >= 0; --k) {
    const std::int64_t first = k * kBlock;
    const std::int64_t end = end_of(first);
    at::Tensor block = b.narrow(1, first, end - first);
    if (end < size()) block.addmm_(b.narrow(1, end, size() - end), part(first, end, end, size()).t(), 1, -1);
    block.copy_(at::matmul(block, inverses_[static_cast<std::size_t>(k)].t()));
  }
}

void ReplicatedFactor::solve(at::Tensor& b) const {
  require(b.dim() == 2 && b.size(1) == size() && b.is_contiguous(), "right-hand sides as rows");
  for (std::int64_t first = 0; first < b.size(0); first += kPanel) {
    at::Tensor panel = b.narrow(0, first, std::min(kPanel, b.size(0) - first));
    solve_forward(panel, 0);
    solve_backward(panel);
    note_step(whereabouts().step);  // a step can be long: whoever watches sees that it goes on
  }
}

std::vector<double> ReplicatedFactor::pivots() const {
  return vector_of(u_.diagonal().to(at::kDouble).square());
}

/// (G^-1)_jj is the squared length of row j of U^-1, which begins at column j.
std::vector<double> ReplicatedFactor::inverse_diagonal() const {
  std::vector<double> diagonal(static_cast<std::size_t>(size()), 0);
  for (std::int64_t first = 0, block = 0; first < size(); first = end_of(first), ++block) {
    if (block % world_.size() != world_.rank()) continue;
    const std::int64_t count = end_of(first) - first;
    at::Tensor rows = at::zeros({count, size()}, u_.options());
    rows.narrow(1, first, count).diagonal().fill_(1);
    solve_forward(rows, first);
    std::ranges::copy(vector_of(rows.square().sum(1, false, at::kDouble)), diagonal.begin() + first);
  }
  sum_over(world_, std::span<double>(diagonal));
  return diagonal;
}

}  // namespace

std::unique_ptr<GramFactor> restore_factor(Communicator& world, at::Tensor upper, double ridge) {
  require(upper.dim() == 2 && upper.size(0) == upper.size(1) && upper.is_contiguous(), "a square factor");
  auto factor = std::make_unique<ReplicatedFactor>(world, std::move(upper), ridge);
  factor->restore();
  return factor;
}

double factor_flops(std::int64_t neurons, int ranks) {
  const auto n = static_cast<double>(neurons);
  return n * n * n / 3 / ranks;
}

std::unique_ptr<GramFactor> factor_gram(Communicator& world, at::Tensor gram) {
  require(gram.dim() == 2 && gram.size(0) == gram.size(1) && gram.is_contiguous(), "a square Gram matrix");
  at::Tensor diagonal = gram.diagonal();
  const double mean = diagonal.sum(at::kDouble).item<double>() / static_cast<double>(gram.size(0));
  diagonal.masked_fill_(diagonal == 0, mean);
  const double ridge = ridge_of(gram) * mean;
  diagonal.add_(ridge);
  auto factor = std::make_unique<ReplicatedFactor>(world, std::move(gram), ridge);
  if (!factor->factor()) return nullptr;
  return factor;
}

}  // namespace weft
