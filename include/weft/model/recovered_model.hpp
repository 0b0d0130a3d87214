#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/core/row_partition.hpp"
#include "weft/kernels/row_kernels.hpp"

namespace weft {

/// What training ends in, whatever the method: y_i = phi_i(x_i) + sum_j W_ij psi(x_j), of which this rank
/// holds some rows. Evaluation and export see a trained model through this alone. All calls are local.
class RecoveredModel {
 public:
  virtual ~RecoveredModel() = default;

  virtual const RowPartition& partition() const = 0;
  virtual int shard() const = 0;
  /// This rank's rows of W (rows x N) [post, pre], zero diagonal.
  virtual RowBlock<const float> connectivity() const = 0;
  /// The latents a_i of this rank's neurons (rows x 2).
  virtual std::vector<double> embedding() const = 0;
  /// psi*(x), point by point.
  virtual std::vector<double> psi(std::span<const double> x) const = 0;
  /// phi*(a_i, x) of this rank's neurons [first, first + count) at every x: (count x x.size()).
  virtual std::vector<double> phi(LocalRow first, std::int64_t count, std::span<const double> x) const = 0;
};

}  // namespace weft
