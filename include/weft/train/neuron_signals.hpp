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
  /// Gram matrix and right-hand sides may round their factors to 10 bits, on a GPU that can: refinement makes
  /// up for it.
  bool tf32 = false;

  bool operator==(const EquationForm&) const = default;
};

/// Numbers of a series that are brought to a device at a time, where the series lies on the host.
constexpr std::int64_t kBroughtNumbers = std::int64_t{1} << 24;

/// What the closed form sees of this shard's neurons: activity as the coordinate of the splines, and the
/// derivative. What is made of them lies on `device`; they lie there too or, where it has no room for them,
/// on the host, from where the frames that are asked for are brought. Local, but for its making.
struct NeuronSignals {
  RowPartition partition;
  int shard = 0;
  SplineAxis axis;
  at::Tensor coordinate;            ///< (T x rows) float32: asinh(x / axis.scale)
  at::Tensor derivative;            ///< (T x rows) float32
  std::vector<std::int64_t> group;  ///< (N) the psi of each presynaptic neuron
  std::int64_t groups = 1;
  at::Device device = at::kCPU;

  std::int64_t rows() const { return partition.size(shard); }
  /// Whether the series lie where what is made of them lies.
  bool resident() const { return coordinate.device() == device; }
  /// Moves them: to `compute`, or to the host.
  void compute_on(at::Device compute, bool resident);

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
  /// do to row r. w is (rows x R), on `device`.
  at::Tensor psi_sensitivity(std::span<const std::int64_t> frames, const at::Tensor& w, std::int64_t splines,
                             const EquationForm& form) const;
};

/// Takes the data over; they stay on the host. The axis covers all activity, asinh(8 x / standard deviation)
/// being its coordinate. `group` is empty for one psi, else has an entry a neuron. @collective over the row
/// shards.
NeuronSignals make_signals(Communicator& rows, TrainingData data, std::vector<std::int64_t> group);

}  // namespace weft
