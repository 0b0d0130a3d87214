#include "weft/train/gram_factor.hpp"

#include <algorithm>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"

#include "train/tensor_sums.hpp"

namespace weft {
namespace {

// Right-hand sides solved together: enough for products at full speed, few enough that copies stay small.
constexpr std::int64_t kRightHandSides = 1024;
constexpr double kRidge = 1e-6;

class ReplicatedFactor final : public GramFactor {
 public:
  /// `lower` is L, column-major.
  ReplicatedFactor(Communicator& world, at::Tensor lower) : world_(world), lower_(std::move(lower)) {}

  void solve(at::Tensor& b) const override {
    for (std::int64_t first = 0; first < b.size(0); first += kRightHandSides) {
      at::Tensor part = b.narrow(0, first, std::min(kRightHandSides, b.size(0) - first));
      const at::Tensor half = at::linalg_solve_triangular(lower_, part.t(), false);
      part.copy_(at::linalg_solve_triangular(lower_.t(), half, true).t());
    }
  }

  double solve_flops(std::int64_t right_hand_sides) const override {
    const auto n = static_cast<double>(lower_.size(0));
    return 2 * n * n * static_cast<double>(right_hand_sides);
  }

  std::vector<double> pivots() const override {
    const at::Tensor diagonal = lower_.diagonal().to(at::kDouble).square();
    return {diagonal.const_data_ptr<double>(), diagonal.const_data_ptr<double>() + diagonal.numel()};
  }

  /// (G^-1)_jj is the squared length of column j of L^-1, which begins at row j.
  std::vector<double> inverse_diagonal() const override {
    const std::int64_t n = lower_.size(0);
    std::vector<double> diagonal(static_cast<std::size_t>(n), 0);
    std::int64_t panel = 0;
    for (std::int64_t first = 0; first < n; first += kRightHandSides, ++panel) {
      if (panel % world_.size() != world_.rank()) continue;
      const std::int64_t count = std::min(kRightHandSides, n - first);
      at::Tensor unit = at::zeros({count, n - first}, lower_.scalar_type());
      unit.diagonal().fill_(1);
      const at::Tensor columns = at::linalg_solve_triangular(
          lower_.narrow(0, first, n - first).narrow(1, first, n - first), unit.t(), false);
      const at::Tensor lengths = columns.square().sum(0, false, at::kDouble);
      std::copy_n(lengths.const_data_ptr<double>(), count, diagonal.begin() + first);
    }
    world_.all_reduce(std::span<double>(diagonal), Reduction::sum).wait();
    return diagonal;
  }

 private:
  Communicator& world_;
  at::Tensor lower_;
};

}  // namespace

double factor_flops(std::int64_t neurons, [[maybe_unused]] int ranks) {
  const auto n = static_cast<double>(neurons);
  return n * n * n / 3;
}

std::unique_ptr<GramFactor> factor_gram(Communicator& world, at::Tensor gram) {
  require(gram.dim() == 2 && gram.size(0) == gram.size(1) && gram.is_contiguous(), "a square Gram matrix");
  at::Tensor lower = gram.t();  // the upper triangle of a row-major matrix is the lower one of a column-major
  at::Tensor diagonal = lower.diagonal();
  const double mean = diagonal.sum(at::kDouble).item<double>() / static_cast<double>(gram.size(0));
  diagonal.masked_fill_(diagonal == 0, mean);
  diagonal.add_(kRidge * mean);
  at::Tensor info = at::empty({}, at::kInt);
  at::linalg_cholesky_ex_out(lower, info, lower, /*upper=*/false, /*check_errors=*/false);
  if (sum_over(world, info.item<int>() == 0 ? 0.0 : 1.0) > 0) return nullptr;
  return std::make_unique<ReplicatedFactor>(world, std::move(lower));
}

}  // namespace weft
