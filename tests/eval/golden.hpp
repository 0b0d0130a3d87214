#pragma once

#include <string>
#include <vector>

#include "assembly.hpp"

namespace weft {

/// The assembly of tests/golden/eval_n200.h5, with activity of the golden xnorm, 15.
Assembly golden_assembly();

/// A learned model and what the reference's own evaluation makes of it.
struct GoldenCase {
  explicit GoldenCase(const std::string& name);

  WholeModel model;
  double c = 0, slope = 0, r2 = 0, accuracy = 0;
  std::int64_t clusters = 0;
  std::vector<float> corrected_connectivity;  ///< (N x N) [post, pre]
  std::vector<std::int64_t> cluster_label;    ///< (N), from 1, in an order of its own
};

}  // namespace weft
