#pragma once

#include "weft/model/spline_network.hpp"

namespace weft {

/// Expects what a rank holds of a solved network, to `tolerance` of its size, to be what one rank alone
/// found.
void expect_same_network(const SplineNetwork& found, const SplineNetwork& alone, double tolerance);

}  // namespace weft
