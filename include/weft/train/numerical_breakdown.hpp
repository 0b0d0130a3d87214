#pragma once

#include <stdexcept>

namespace weft {

/// The arithmetic of this form of the equations broke down: a Gram matrix that is not positive definite, a
/// refinement that does not refine. Another form may do. Thrown on all ranks alike.
class NumericalBreakdown : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace weft
