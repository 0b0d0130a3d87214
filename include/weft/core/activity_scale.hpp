#pragma once

namespace weft {

/// The reference's xnorm, from the standard deviation of all activity: 1.5 of it, rounded, halves to even.
/// The published code of Allier et al. 2026 goes on with 0 where that is below 1; here the number is then
/// not rounded, so that weak activity keeps its window. Local.
double activity_scale_of(double standard_deviation);

}  // namespace weft
