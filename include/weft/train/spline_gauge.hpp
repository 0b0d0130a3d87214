#pragma once

#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/model/spline_network.hpp"

namespace weft {

/// Fixes what the data leave open. (W, psi) -> (W / k, k psi) and psi -> psi + b, phi_i -> phi_i - b sum_j
/// W_ij change nothing that can be seen, for each group of presynaptic neurons by itself. Afterwards the
/// phi_i(0) are as small as the b allow, in the least-squares sense, and each psi has its plateau, its median
/// over [0.8 xnorm, xnorm], at 1; a psi without one (smaller there than a twentieth of its span) keeps its
/// scale. Any gauge in gives the same out.
/// `visits_zero` says of each own neuron whether its activity comes to 0, for elsewhere phi_i(0) is
/// extrapolated and tells nothing; where none does, or where it is empty, all count.
/// Returns how uncertain the scale of W is: the largest, over groups, of the standard error of b relative to
/// psi's plateau, from what b leaves of the phi_i(0). Where that is over 1e-3, the phi_i(0) are no safe
/// guide, and psi(0), by which another choice of b would differ, counts if it is larger. @collective over the
/// row shards.
double fix_gauge(Communicator& rows, SplineNetwork& network, double xnorm,
                 const std::vector<bool>& visits_zero = {});

}  // namespace weft
