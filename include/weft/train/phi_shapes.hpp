#pragma once

#include <cstdint>
#include <vector>

#include "weft/model/spline.hpp"
#include "weft/train/psi_search.hpp"

namespace weft {

/// Shapes that all phi_i are made of, beside psi and a constant, which every row has already.
struct PhiShapes {
  std::vector<double> coefficients;  ///< (shapes x M)
  std::int64_t splines = 0;          ///< M
  bool enough = true;                ///< false where even the most shapes leave more
  std::vector<double> excess;  ///< residual that 0, 1, 2, ... shapes add to the sampled rows, relative to y

  std::int64_t count() const { return static_cast<std::int64_t>(coefficients.size()) / splines; }
};

/// A low-rank fit of the sampled rows' phi, each in the metric of its own projected Gram matrix, so that what
/// the data do not determine counts for nothing: alternating least squares, with a light penalty on
/// roughness. The fewest shapes are taken, up to 5, whose excess over the rows' own phi is noise, or under
/// 1e-4 of y. Local.
PhiShapes find_phi_shapes(const PsiSearchResult& search, const SplineAxis& axis, std::int64_t splines);

}  // namespace weft
