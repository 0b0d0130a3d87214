#include "weft/train/phi_shapes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_lstsq.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>

#include "model/made_up_splines.hpp"
#include "model/random_tensor.hpp"

namespace weft {
namespace {

constexpr std::int64_t kRows = 10, kSplines = 16;
const SplineAxis kAxis{0.5, -std::asinh(40), 2 * std::asinh(40)};

at::Tensor spline(const std::function<double(double)>& function) {
  std::vector<double> values = spline_of(kAxis, kSplines, function);
  return at::from_blob(values.data(), {kSplines}, at::kDouble).clone();
}

/// The true shapes, of which the first few are taken, (shapes x M).
at::Tensor true_shapes(std::int64_t count) {
  const at::Tensor all =
      at::stack({spline([](double x) { return -x; }), spline([](double x) { return 5 * std::cos(x / 3); }),
                 spline([](double x) { return x * x / 20; })});
  return all.narrow(0, 0, count);
}

/// A metric S = A'A for each row, which feels neither a constant nor psi, as none does, nor one direction
/// more of the row's own.
struct Metrics {
  at::Tensor matrices;  ///< (R x M x M)
  at::Tensor unfelt;    ///< (R x M x 3) orthonormal

  Metrics() {
    const at::Tensor psi = spline([](double x) { return std::tanh(x); });
    std::vector<at::Tensor> matrix, directions;
    for (std::int64_t r = 0; r < kRows; ++r) {
      const auto seed = static_cast<std::uint64_t>(100 + 2 * r);
      const at::Tensor own = random_tensor({kSplines}, seed);
      const at::Tensor basis =
          std::get<0>(at::linalg_qr(at::stack({at::ones({kSplines}, at::kDouble), psi, own}, 1)));
      const at::Tensor feel = random_tensor({60, kSplines}, seed + 1);
      const at::Tensor left = feel - feel.matmul(basis).matmul(basis.t());
      matrix.push_back(left.t().matmul(left));
      directions.push_back(basis);
    }
    matrices = at::stack(matrix);
    unfelt = at::stack(directions);
  }
};

class FindPhiShapes : public testing::Test {
 protected:
  /// The search that ends in these phi, (R x M), with noise of this deviation on y.
  PsiSearchResult search(const at::Tensor& phi, double noise) const {
    PsiSearchResult result;
    for (std::int64_t r = 0; r < kRows; ++r) result.rows.push_back(r);
    const at::Tensor dense = phi.contiguous();
    result.phi.assign(dense.const_data_ptr<double>(), dense.const_data_ptr<double>() + dense.numel());
    result.metric.assign(metrics_.matrices.const_data_ptr<double>(),
                         metrics_.matrices.const_data_ptr<double>() + metrics_.matrices.numel());
    result.total_squares = 2 * at::einsum("ri,rij,rj->", {phi, metrics_.matrices, phi}).item<double>() + 1;
    result.degrees_of_freedom = 5000;
    result.residual_squares = noise * noise * 5000;
    return result;
  }
  /// Mixtures of the shapes, and much of what the metrics do not feel.
  at::Tensor mixtures(const at::Tensor& shapes) const {
    const at::Tensor weights = random_tensor({kRows, shapes.size(0)}, 1);
    const at::Tensor hidden = at::einsum("rik,rk->ri", {metrics_.unfelt, random_tensor({kRows, 3}, 2)});
    return weights.matmul(shapes) + 100 * hidden;
  }
  /// Noise of deviation 1 on y, as it comes out in the phi: of covariance S^-1.
  at::Tensor noise_of_phi() const {
    const auto [values, vectors] = at::linalg_eigh(metrics_.matrices);
    const at::Tensor felt = values > 1e-9 * values.max();
    const at::Tensor root = felt.to(at::kDouble) / values.clamp_min(1e-12).sqrt();
    return at::einsum("rik,rk->ri", {vectors, root * random_tensor({kRows, kSplines}, 3)});
  }
  /// How much of each true shape no mixture of the found ones, psi and a constant makes up, in the mean
  /// metric.
  at::Tensor missing(const PhiShapes& found, const at::Tensor& shapes) const {
    const auto [values, vectors] = at::linalg_eigh(metrics_.matrices.mean(0));
    const at::Tensor root = vectors * values.clamp_min(0).sqrt();  // of S: |root' d|^2 = d' S d
    const at::Tensor recovered =
        at::from_blob(const_cast<double*>(found.coefficients.data()), {found.count(), kSplines}, at::kDouble);
    const at::Tensor basis = std::get<0>(at::linalg_qr(root.t().matmul(recovered.t())));
    const at::Tensor target = root.t().matmul(shapes.t());
    return (target - basis.matmul(basis.t().matmul(target))).norm(2, 0) / target.norm(2, 0);
  }

  Metrics metrics_;
};

TEST_F(FindPhiShapes, FindsAsManyAsThereAre) {
  for (const std::int64_t count : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << count << " shapes");
    const at::Tensor shapes = true_shapes(count);
    const PhiShapes found = find_phi_shapes(search(mixtures(shapes), 0), kAxis, kSplines);
    ASSERT_EQ(found.count(), count);
    EXPECT_EQ(found.splines, kSplines);
    EXPECT_LT(missing(found, shapes).max().item<double>(), 1e-3);
    ASSERT_EQ(std::ssize(found.excess), count + 1);  // of none, one, ... shapes
    EXPECT_TRUE(std::ranges::is_sorted(found.excess, std::ranges::greater()));
    EXPECT_LT(found.excess.back(), 1e-4);
  }
}

TEST_F(FindPhiShapes, ExcessOfNoneIsAllThatThePhiDo) {
  const PhiShapes found = find_phi_shapes(search(mixtures(true_shapes(1)), 0), kAxis, kSplines);
  EXPECT_NEAR(found.excess[0], std::sqrt(0.5), 1e-3);
}

TEST_F(FindPhiShapes, FindsNoneWhereThereAreNone) {
  const at::Tensor nothing = 0 * true_shapes(1);
  for (const at::Tensor& phi : {nothing.expand({kRows, kSplines}), mixtures(nothing)}) {
    const PhiShapes found = find_phi_shapes(search(phi, 0), kAxis, kSplines);
    EXPECT_EQ(found.count(), 0);
    EXPECT_EQ(found.excess.size(), 1U);
  }
}

TEST_F(FindPhiShapes, NoiseIsNoShape) {
  const double deviation = 3;
  const at::Tensor phi = mixtures(true_shapes(1)) + deviation * noise_of_phi();
  const PhiShapes found = find_phi_shapes(search(phi, deviation), kAxis, kSplines);
  ASSERT_EQ(found.count(), 1);
  EXPECT_LT(missing(found, true_shapes(1)).max().item<double>(), 0.1);
  EXPECT_GT(found.excess.back(), 1e-3);  // noise it is that stops it
  EXPECT_GT(find_phi_shapes(search(phi, 0), kAxis, kSplines).count(), 1);
  const at::Tensor only_noise = deviation * noise_of_phi();
  EXPECT_EQ(find_phi_shapes(search(only_noise, deviation), kAxis, kSplines).count(), 0);
}

TEST_F(FindPhiShapes, TakesFiveAtMost) {
  const PhiShapes found = find_phi_shapes(search(random_tensor({kRows, kSplines}, 4), 0), kAxis, kSplines);
  EXPECT_EQ(found.count(), 5);
  EXPECT_EQ(found.excess.size(), 6U);
}

}  // namespace
}  // namespace weft
