#pragma once

#include <cstdint>

#include "weft/comm/process_grid.hpp"
#include "weft/model/mlp.hpp"
#include "weft/model/spline_network.hpp"
#include "weft/train/between_steps.hpp"

namespace weft {

/// The paper's networks, fitted to the functions that the closed form found.
struct Distilled {
  Mlp psi;                   ///< of the first group
  Mlp phi;                   ///< input x_i, a_i0, a_i1
  double psi_rms_error = 0;  ///< over the axis of activity, relative to psi's rms
  double phi_rms_error = 0;  ///< over neurons and the axis, relative to the rms of the phi_i
};

/// Fits psi*(x) and phi*(a_i, x), as one-dimensional regressions with Adam, to those of the network, whose
/// latents a_i must be set. The same on every rank, for any grid of ranks to rounding. @collective over the
/// grid. @throws what `between` throws.
Distilled distil(
    const ProcessGrid& grid, const SplineNetwork& network, std::uint64_t seed,
    const BetweenSteps& between = [] {});

}  // namespace weft
