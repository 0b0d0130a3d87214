#include "weft/train/spline_gauge.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>

#include "train/tensor_sums.hpp"
#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

constexpr std::int64_t kPlateauPoints = 1000;
constexpr double kSmallestPlateau = 0.05;  // of psi's span there and at the other end
constexpr double kSafeGuide = 1e-3;        // standard error of the offset, of the plateau
constexpr double kRankCut = 1e-12;

/// s_ig = sum of W_ij over the presynaptic neurons j of group g, (rows x groups) float64.
at::Tensor group_sums(const SplineNetwork& network) {
  at::Tensor sums = at::zeros({network.rows(), network.groups()}, at::kDouble);
  for (std::int64_t g = 0; g < network.groups(); ++g) {
    at::Tensor member = at::zeros({network.partition.rows()}, at::kFloat);
    for (std::int64_t j = 0; j < network.partition.rows(); ++j)
      if (network.group[static_cast<std::size_t>(j)] == g) member[j] = 1;
    for (std::int64_t i = 0; i < network.rows(); ++i)
      sums.select(0, i)[g] = (network.connectivity.select(0, i) * member).sum(at::kDouble);
  }
  return sums;
}

/// The b of each group, and its standard error.
struct Offsets {
  std::vector<double> value, error;
};

/// Those with which the phi_i(0) - sum_g b_g s_ig are smallest.
Offsets best_offsets(Communicator& rows, const SplineNetwork& network, const at::Tensor& sums,
                     const std::vector<bool>& visits_zero) {
  double visitors = static_cast<double>(std::ranges::count(visits_zero, true));
  visitors = sum_over(rows, visitors);
  at::Tensor phi = at::zeros({network.rows()}, at::kDouble);
  at::Tensor counted = sums.clone();
  for (std::int64_t i = 0; i < network.rows(); ++i) {
    if (visitors == 0 || visits_zero[static_cast<std::size_t>(i)]) {
      phi[i] = network.phi_at(LocalRow{i}, 0);
    } else {
      counted.select(0, i).zero_();
    }
  }
  at::Tensor normal = counted.t().matmul(counted).contiguous();
  at::Tensor right = at::mv(counted.t(), phi).contiguous();
  sum_over(rows, normal);
  sum_over(rows, right);
  const at::Tensor inverse = at::linalg_pinv(normal, kRankCut, /*hermitian=*/true);
  const at::Tensor b = at::mv(inverse, right);
  const double left = sum_over(rows, (phi - at::mv(counted, b)).square().sum().item<double>());
  const double counting = visitors > 0 ? visitors : static_cast<double>(network.partition.rows());
  const double freedom = std::max(1.0, counting - static_cast<double>(network.groups()));
  return {vector_of(b), vector_of((inverse.diagonal() * (left / freedom)).clamp_min(0).sqrt())};
}

/// What psi of a group is divided by.
double plateau(const SplineNetwork& network, std::int64_t group, double xnorm) {
  std::vector<double> values;
  for (std::int64_t k = 0; k < kPlateauPoints; ++k) {
    const double part = static_cast<double>(k) / (kPlateauPoints - 1);
    values.push_back(network.psi_at(group, xnorm * (0.8 + 0.2 * part)));
  }
  const auto middle = values.begin() + (kPlateauPoints - 1) / 2;
  std::ranges::nth_element(values, middle);
  const double span = std::abs(*middle - network.psi_at(group, -xnorm));
  return std::abs(*middle) > kSmallestPlateau * span ? *middle : 1;
}

}  // namespace

double fix_gauge(Communicator& rows, SplineNetwork& network, double xnorm,
                 const std::vector<bool>& visits_zero) {
  const at::Tensor sums = group_sums(network);
  const auto [offset, offset_error] = best_offsets(rows, network, sums, visits_zero);
  const std::int64_t first = network.partition.begin(network.shard);
  const auto group_of = [&](std::int64_t neuron) {
    return static_cast<std::size_t>(network.group[static_cast<std::size_t>(neuron)]);
  };
  for (std::int64_t i = 0; i < network.rows(); ++i) {
    double shift = offset[group_of(first + i)] * network.self_weight[static_cast<std::size_t>(i)];
    for (std::int64_t g = 0; g < network.groups(); ++g)
      shift += offset[static_cast<std::size_t>(g)] * sums.select(0, i)[g].item<double>();
    network.constant[static_cast<std::size_t>(i)] -= shift;
  }
  std::vector<double> scale;
  double uncertain = 0;
  for (std::int64_t g = 0; g < network.groups(); ++g) {
    const auto psi = network.psi.begin() + g * network.psi_splines;
    const double b = offset[static_cast<std::size_t>(g)];
    std::transform(psi, psi + network.psi_splines, psi,
                   [b](double c) { return c + b; });  // the splines add up to 1
    scale.push_back(plateau(network, g, xnorm));
    std::transform(psi, psi + network.psi_splines, psi, [&](double c) { return c / scale.back(); });
    const double error = offset_error[static_cast<std::size_t>(g)] / std::abs(scale.back());
    const double other_choice = error > kSafeGuide ? std::abs(network.psi_at(g, 0)) : 0;
    uncertain = std::max({uncertain, error, other_choice});
  }
  at::Tensor column_scale = at::zeros({network.partition.rows()}, at::kDouble);
  for (std::int64_t j = 0; j < network.partition.rows(); ++j) {
    const double k = scale[group_of(j)];
    column_scale[j] = k;
    network.errors.column[static_cast<std::size_t>(j)] *= std::abs(k);
  }
  network.connectivity.mul_(column_scale.to(at::kFloat));
  for (std::int64_t i = 0; i < network.rows(); ++i)
    network.self_weight[static_cast<std::size_t>(i)] *= scale[group_of(first + i)];
  return uncertain;
}

}  // namespace weft
