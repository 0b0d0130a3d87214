#pragma once

#include "weft/comm/communicator.hpp"
#include "weft/model/spline_network.hpp"

namespace weft {

/// Fixes what the data leave open. (W, psi) -> (W / k, k psi) and psi -> psi + b, phi_i -> phi_i - b sum_j W_ij change
/// nothing that can be seen, for each group of presynaptic neurons by itself. Afterwards the phi_i(0) are as small as
/// the b allow, in the least-squares sense, and each psi has its plateau, its median over [0.8 xnorm, xnorm], at 1;
/// a psi without one (smaller there than a twentieth of its span) keeps its scale. Any gauge in gives the same out.
/// @collective over the row shards.
void fix_gauge(Communicator& rows, SplineNetwork& network, double xnorm);

}  // namespace weft
