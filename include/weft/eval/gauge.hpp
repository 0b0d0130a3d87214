#pragma once

#include <cstdint>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/io/dataset.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// The recorded activity as a whole, over all frames and neurons.
struct ActivityStatistics {
  std::int64_t frames = 0;
  std::int64_t neurons = 0;
  double mean = 0;
  double standard_deviation = 0;
  double minimum = 0;
  double maximum = 0;
  /// activity_scale_of the standard deviation: the half-width of the window on which functions are compared.
  double xnorm = 0;
};

/// One pass over all frames of this rank's neurons, in double precision.
/// @collective over the row shards. @throws UserError where the activity is constant or not finite.
ActivityStatistics measure_activity(Communicator& rows, const Dataset& dataset,
                                    const RowPartition& partition);

/// What the data leave open, fixed. y_i = phi_i(x_i) + sum_j W_ij psi(x_j) stays the same under
/// (W, psi) -> (W / k, k psi) and under psi -> psi + b with phi_i -> phi_i - b sum_j W_ij.
struct Gauge {
  /// c: the lower median of psi, as learned, over 1000 points of [0.8 xnorm, xnorm]; its sign is kept, so
  /// that a psi learned upside down turns W back.
  double plateau = 0;
  /// b, with which the phi_i(0) - b sum_j W_ij are closest to 0: sum_i phi_i(0) s_i / sum_i s_i^2.
  double psi_offset = 0;
  /// (max - min) of psi over the same points, divided by |plateau + offset|: near 0 where psi levels off.
  double plateau_variation = 0;
  /// False where the plateau is 0 to rounding: W and psi then have no scale that could be compared.
  bool scale_known = false;
  /// s_i = sum_j W_ij of this rank's rows, without the diagonal.
  std::vector<double> row_sums;

  /// The plateau of psi + b.
  double psi_scale() const { return plateau + psi_offset; }
  double psi(double learned) const { return (learned + psi_offset) / (scale_known ? psi_scale() : 1); }
  double phi(double learned, LocalRow row) const { return learned - psi_offset * row_sums[index(row)]; }
  /// What W is multiplied with as the published evaluation does it, before the division by a known gain.
  double published_weight_scale() const { return scale_known ? plateau : 1; }
  /// The same for the psi of this gauge.
  double weight_scale() const { return scale_known ? psi_scale() : 1; }
};

/// @collective over the row shards. @throws UserError where psi, phi or W hold values that are not finite.
Gauge fix_gauge(Communicator& rows, const RecoveredModel& model, double xnorm);

}  // namespace weft
