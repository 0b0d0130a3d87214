#include "dense_reference.hpp"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

namespace weft {

DenseRow solve_dense_row(const at::Tensor& psi, const at::Tensor& own, const at::Tensor& y) {
  const at::Tensor design = at::cat({psi, own, at::ones({psi.size(0), 1}, at::kDouble)}, 1);
  const at::Tensor coefficients = at::linalg_pinv(design, 1e-11).matmul(y);
  return {coefficients, (y - design.matmul(coefficients)).square().sum().item<double>()};
}

/// N_k,0 is 1 on its interval; N_k,d = ((s - k) N_k,d-1 + (k + d + 1 - s) N_k+1,d-1) / d with knots at whole
/// numbers.
at::Tensor dense_splines(const at::Tensor& v, std::int64_t splines) {
  const std::int64_t intervals = splines - 3;
  const at::Tensor flat = v.contiguous().view({-1});
  at::Tensor values = at::zeros({flat.numel(), splines}, at::kDouble);
  for (std::int64_t r = 0; r < flat.numel(); ++r) {
    const double s = std::clamp(flat[r].item<double>(), 0.0, 1.0) * static_cast<double>(intervals);
    const std::int64_t home = std::min(static_cast<std::int64_t>(s), intervals - 1);
    std::vector<double> n(static_cast<std::size_t>(intervals + 7),
                          0);  // entry k + 3 is the spline that begins at k
    n[static_cast<std::size_t>(home + 3)] = 1;
    for (int degree = 1; degree <= 3; ++degree) {
      for (std::int64_t k = -3; k < intervals + 3; ++k) {
        const auto at = static_cast<std::size_t>(k + 3);
        const auto left = static_cast<double>(k);
        n[at] = ((s - left) * n[at] + (left + degree + 1 - s) * n[at + 1]) / degree;
      }
    }
    for (std::int64_t k = 0; k < splines; ++k) values[r][k] = n[static_cast<std::size_t>(k)];
  }
  return values;
}

}  // namespace weft
