#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "weft/model/spline_network.hpp"

#include "model/random_tensor.hpp"

namespace weft {

/// A function of x as splines, by its values at their middles.
template <typename Function>
std::vector<double> spline_of(const SplineAxis& axis, std::int64_t splines, Function function) {
  std::vector<double> coefficients;
  for (std::int64_t k = 0; k < splines; ++k) {
    const double v = static_cast<double>(k - 1) / static_cast<double>(splines - 3);
    coefficients.push_back(function(axis.activity(v)));
  }
  return coefficients;
}

/// The rows of a shard of an assembly of two types on [-40, 40]: phi = -x + tanh(x) for the even neurons,
/// -x / 2 + 2 tanh(x) for the odd ones, whose latents are (-1, 1) and (1, -1); psi = tanh. The tanh of phi
/// goes by the self-weight, and -x by a shape. W, errors and states tell their places.
inline SplineNetwork made_up_splines(const RowPartition& partition, int shard) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const std::int64_t neurons = partition.rows(), begin = partition.begin(shard);
  const auto slice = [&](const at::Tensor& all) {
    return all.narrow(0, begin, partition.size(shard)).to(at::kFloat).contiguous();
  };
  SplineNetwork network{partition, shard};
  network.connectivity = slice(random_tensor({neurons, neurons}, 1).fill_diagonal_(0));
  network.embedding = slice(at::zeros({neurons, 2}, at::kDouble));
  network.axis = {0.5, -std::asinh(80), 2 * std::asinh(80)};
  network.psi_splines = 48;
  network.shape_splines = 40;
  network.psi = spline_of(network.axis, 48, [](double x) { return std::tanh(x); });
  network.shape = spline_of(network.axis, 40, [](double x) { return -x; });
  network.group.assign(static_cast<std::size_t>(neurons), 0);
  for (std::int64_t j = 0; j < neurons; ++j) {
    network.errors.column.push_back(j == 1 ? inf : 1 / static_cast<double>(j + 1));
    network.errors.state.push_back(static_cast<PresynapticState>(j == 1 ? 1 : j % 3 == 2 ? 2 : 0));
  }
  for (std::int64_t i = begin; i < partition.end(shard); ++i) {
    const bool odd = i % 2 == 1;
    network.embedding[i - begin][0] = odd ? 1 : -1;
    network.embedding[i - begin][1] = odd ? -1 : 1;
    network.constant.push_back(0);
    network.self_weight.push_back(odd ? 2 : 1);
    network.shape_weight.push_back(odd ? 0.5 : 1);
    network.errors.row.push_back(static_cast<double>(i) / 7);
    network.errors.residual.push_back(static_cast<double>(i) / 1000);
  }
  return network;
}

}  // namespace weft
