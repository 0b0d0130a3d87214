#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/core/row_partition.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/model/recovered_model.hpp"
#include "weft/model/spline.hpp"
#include "weft/model/weight_errors.hpp"

namespace weft {

/// y_i = phi_i(x_i) + sum_j W_ij psi_g(j)(x_j) with functions that are splines on one axis: what the closed
/// form finds, and its model of record. This rank holds the rows of one shard. Plain data. Local.
///
///     psi_g(x) = sum_k psi[g][k] b_k(v(x))
///     phi_i(x) = constant[i] + self_weight[i] psi_g(i)(x) + sum_a shape_weight[i][a] sum_k shape[a][k]
///     b_k(v(x))
struct SplineNetwork {
  RowPartition partition;
  int shard = 0;
  at::Tensor connectivity{};  ///< W, (rows x N) float32 [post, pre], zero diagonal
  at::Tensor embedding{};     ///< a, (rows x 2) float32
  SplineAxis axis{};
  std::int64_t psi_splines = 0;        ///< K
  std::int64_t shape_splines = 0;      ///< M
  std::vector<double> psi{};           ///< (groups x K)
  std::vector<std::int64_t> group{};   ///< (N) the group of each presynaptic neuron, from 0
  std::vector<double> shape{};         ///< (shapes x M), the same on every rank; there may be none
  std::vector<double> shape_weight{};  ///< (rows x shapes)
  std::vector<double> constant{};      ///< (rows)
  std::vector<double> self_weight{};   ///< (rows) W_ii, which cannot be told from phi_i
  WeightErrors errors{};

  std::int64_t rows() const { return partition.size(shard); }
  std::int64_t groups() const { return static_cast<std::int64_t>(psi.size()) / psi_splines; }
  std::int64_t shapes() const { return static_cast<std::int64_t>(shape.size()) / shape_splines; }

  double psi_at(std::int64_t group, double x) const;
  /// phi of one own neuron.
  double phi_at(LocalRow row, double x) const;
};

/// What a checkpoint holds of a network, as views into it. The network must outlive them, and not move.
ModelArrays arrays_of(const SplineNetwork& network);

/// This shard's part of a checkpoint that the closed form wrote, on however many ranks.
/// @throws UserError where an array is missing or of another shape.
SplineNetwork load_spline_network(const Checkpoint& checkpoint, const RowPartition& partition, int shard);

/// A network as evaluation sees it.
std::unique_ptr<RecoveredModel> recovered(SplineNetwork network);

}  // namespace weft
