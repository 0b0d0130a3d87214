#include "weft/core/activity_scale.hpp"

#include <cmath>

namespace weft {

double activity_scale_of(double standard_deviation) {
  const double exact = 1.5 * standard_deviation;
  const double rounded = std::nearbyint(exact);
  return rounded > 0 ? rounded : exact;
}

}  // namespace weft
