#pragma once

#include <cstdint>
#include <span>

#include "weft/config/config.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// What a standard draw (Cauchy with quartiles at -1 and 1, or normal with variance 1) is multiplied by to
/// become a weight of an assembly of `neurons`.
///
/// - An explicit `exponent` p: neurons^-p, for either distribution.
/// - Cauchy: neurons^-p with p = 0.70 below 2000 neurons, 0.675 below 4000, 0.67 below 8000 and 0.66 at 8000,
/// as in the
///   code of Allier et al. 2026; beyond, 8000^-0.66 sqrt(8000 / neurons), which keeps sigma sqrt(N) where it
///   is at 8000.
/// - Gaussian: the standard deviation that the Cauchy law with its published cutoff of 25 has at this size,
/// so that the
///   two laws drive a neuron with the same variance.
///
/// Local.
double connectivity_scale(const ConnectivityConfig& config, std::int64_t neurons);

/// Fills `rows`, (rows x neurons) row-major, with the rows of W from `first_row` on; W[i][j] is the weight
/// from neuron j (presynaptic) to neuron i (postsynaptic). The diagonal is 0, Cauchy draws beyond the cutoff
/// are 0, and each connection is absent with probability `sparsity`; those present keep the weight that they
/// have without sparsity. A weight depends on (seed, i, j) alone, not on the rows asked for or the threads.
/// Local, parallel over rows.
void fill_connectivity(const ConnectivityConfig& config, std::int64_t neurons, std::uint64_t seed,
                       GlobalRow first_row, std::span<float> rows);

}  // namespace weft
