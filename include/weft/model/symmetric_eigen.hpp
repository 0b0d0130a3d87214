#pragma once

#include <cstdint>
#include <vector>

namespace weft {

/// Eigenvalues, ascending, and eigenvectors of a symmetric matrix.
struct SymmetricEigen {
  std::vector<double> values;   ///< (n)
  std::vector<double> vectors;  ///< (n x n), row k belongs to values[k], of unit length
};

/// By LibTorch (LAPACK's syevd). `matrix` is (n x n) row-major; its lower half is read. Local.
SymmetricEigen symmetric_eigen(std::vector<double> matrix, std::int64_t n);

}  // namespace weft
