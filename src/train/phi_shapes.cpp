#include "weft/train/phi_shapes.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <ATen/TensorOperators.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/kron.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

constexpr std::int64_t kMostShapes = 5;
constexpr double kRoughness = 1e-6;    // of the mean diagonal of the metric
constexpr double kSmallExcess = 1e-4;  // relative residual that a further shape must be worth
constexpr double kRankCut = 1e-10;
constexpr int kRounds = 50;

/// The sampled phi_i as a low-rank problem: coefficients d_i (R x M) and metrics S_i (R x M x M).
class ShapeFit {
 public:
  ShapeFit(const PsiSearchResult& search, const SplineAxis& axis, std::int64_t splines)
      : splines_(splines),
        rows_(std::ssize(search.rows)),
        phi_(tensor_of(search.phi).view({rows_, splines})),
        metric_(tensor_of(search.metric).view({rows_, splines, splines})) {
    const at::Tensor mean = metric_.mean(0);
    // A constant is neither felt nor rough: its mean is held at 0, which costs nothing.
    const at::Tensor constant = at::ones({splines, splines}, at::kDouble) / static_cast<double>(splines);
    smooth_ = (tensor_of(UniformSplines(splines).roughness(axis)).view({splines, splines}) + constant) *
              (kRoughness * mean.trace().item<double>() / static_cast<double>(splines));
    const auto [values, vectors] = at::linalg_eigh(mean + smooth_);
    const at::Tensor roots = values.clamp_min(1e-12 * values[splines - 1].item<double>()).sqrt();
    root_ = at::mm(vectors * roots, vectors.t());
    inverse_root_ = at::mm(vectors / roots, vectors.t());
    start_ = at::mm(std::get<2>(at::linalg_svd(at::mm(phi_, root_), false)), inverse_root_);
  }

  at::Tensor fit(std::int64_t count) const {
    at::Tensor shapes = start_.narrow(0, 0, count);
    for (int round = 0; round < kRounds && count > 0; ++round)
      shapes = scaled(shapes_for(weights_for(shapes)));
    return shapes;
  }

  /// What these shapes leave of the phi_i, as squares of the sampled residual.
  double excess(const at::Tensor& shapes) const {
    const at::Tensor rest = shapes.size(0) > 0 ? phi_ - at::mm(weights_for(shapes), shapes) : phi_;
    return at::einsum("ri,rij,rj->", {rest, metric_, rest}).item<double>();
  }

 private:
  /// (R x shapes): each row's best mixture of the shapes.
  at::Tensor weights_for(const at::Tensor& shapes) const {
    const at::Tensor normal = at::einsum("ai,rij,bj->rab", {shapes, metric_, shapes});
    const at::Tensor right = at::einsum("ai,rij,rj->ra", {shapes, metric_, phi_});
    return at::einsum("rab,rb->ra", {at::linalg_pinv(normal, kRankCut, /*hermitian=*/true), right});
  }
  at::Tensor shapes_for(const at::Tensor& weights) const {
    const std::int64_t count = weights.size(1);
    const at::Tensor normal = at::einsum("ra,rb,rij->aibj", {weights, weights, metric_})
                                  .reshape({count * splines_, count * splines_}) +
                              at::kron(at::mm(weights.t(), weights), smooth_);
    const at::Tensor right = at::einsum("ra,rij,rj->ai", {weights, metric_, phi_}).reshape({-1, 1});
    return at::linalg_solve(normal, right).view({count, splines_});
  }
  /// The same span, orthonormal in the mean metric.
  at::Tensor scaled(const at::Tensor& shapes) const {
    const at::Tensor basis = std::get<0>(at::linalg_qr(at::mm(root_, shapes.t())));
    return at::mm(inverse_root_, basis).t().contiguous();
  }

  std::int64_t splines_, rows_;
  at::Tensor phi_, metric_, smooth_, root_, inverse_root_, start_;
};

}  // namespace

PhiShapes find_phi_shapes(const PsiSearchResult& search, const SplineAxis& axis, std::int64_t splines) {
  const ShapeFit fit(search, axis, splines);
  const auto rows = std::ssize(search.rows);
  const double noise = search.residual_squares / search.degrees_of_freedom;
  PhiShapes result;
  result.splines = splines;
  at::Tensor shapes;
  for (std::int64_t count = 0; count <= std::min(kMostShapes, rows); ++count) {
    shapes = fit.fit(count).contiguous();
    const double excess = fit.excess(shapes);
    result.excess.push_back(std::sqrt(std::max(excess, 0.0) / search.total_squares));
    const double expected = 2 * noise * static_cast<double>(rows * (splines - count));
    result.enough = excess < std::max(expected, kSmallExcess * kSmallExcess * search.total_squares);
    if (result.enough) break;
  }
  result.coefficients.assign(shapes.const_data_ptr<double>(),
                             shapes.const_data_ptr<double>() + shapes.numel());
  return result;
}

}  // namespace weft
