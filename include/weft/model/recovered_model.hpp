#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "weft/core/row_partition.hpp"
#include "weft/kernels/row_kernels.hpp"
#include "weft/model/weight_errors.hpp"

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
  /// psi*(x), point by point; of the first group where there are several.
  virtual std::vector<double> psi(std::span<const double> x) const = 0;
  /// Groups of presynaptic neurons that have a psi* each.
  virtual std::int64_t psi_groups() const { return 1; }
  virtual std::vector<double> psi_of_group([[maybe_unused]] std::int64_t group,
                                           std::span<const double> x) const {
    return psi(x);
  }
  /// phi*(a_i, x) of this rank's neurons [first, first + count) at every x: (count x x.size()).
  virtual std::vector<double> phi(LocalRow first, std::int64_t count, std::span<const double> x) const = 0;
  /// The standard errors of the weights; absent where the method has none.
  virtual std::optional<WeightErrors> weight_errors() const { return std::nullopt; }
};

}  // namespace weft
