#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/model/spline.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// How the closed form writes its equations down.
struct EquationForm {
  /// Every series as z(t) - z(t - 1). The equation holds at each frame, so the differences obey it too; their
  /// Gram matrix is far better conditioned, but noise on the derivative weighs up to 8 times as much.
  bool differenced = false;
  at::ScalarType type = at::kFloat;

  bool operator==(const EquationForm&) const = default;
};

/// What the closed form sees of this shard's neurons: activity as the coordinate of the splines, and the
/// derivative. Local, but for its making.
struct NeuronSignals {
  RowPartition partition;
  int shard = 0;
  SplineAxis axis;
  at::Tensor coordinate;            ///< (T x rows) float32: asinh(x / axis.scale)
  at::Tensor derivative;            ///< (T x rows) float32
  std::vector<std::int64_t> group;  ///< (N) the psi of each presynaptic neuron
  std::int64_t groups = 1;

  std::int64_t rows() const { return partition.size(shard); }

  /// sum_k c[g][k] b_k at the coordinates of these frames, (frames x rows), each neuron with the function of
  /// its group; `coefficients` is (groups x splines).
  at::Tensor psi_values(std::span<const std::int64_t> frames, std::span<const double> coefficients,
                        const EquationForm& form) const;
  /// (rows) The mean square error of those values, at some of these frames, that is due to activity being
  /// float32, in the dataset and as coordinate.
  std::vector<double> psi_rounding(std::span<const std::int64_t> frames, std::span<const double> coefficients,
                                   const EquationForm& form) const;
  /// psi_values with one function for all neurons.
  at::Tensor shape_values(std::span<const std::int64_t> frames, std::span<const double> coefficients,
                          const EquationForm& form) const;
  /// The derivative at these frames, (frames x rows).
  at::Tensor derivative_values(std::span<const std::int64_t> frames, const EquationForm& form) const;
  /// sum_j w[j][r] b_k(x_j) over own neurons j, (frames x R x groups * splines): what the coefficients of psi
  /// do to row r. w is (rows x R).
  at::Tensor psi_sensitivity(std::span<const std::int64_t> frames, const at::Tensor& w, std::int64_t splines,
                             const EquationForm& form) const;
};

/// Takes the data over. The axis covers all activity, asinh(8 x / standard deviation) being its coordinate.
/// `group` is empty for one psi, else has an entry a neuron. @collective over the row shards.
NeuronSignals make_signals(Communicator& rows, TrainingData data, std::vector<std::int64_t> group);

}  // namespace weft
