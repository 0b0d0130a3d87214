#include "weft/model/symmetric_eigen.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigh.h>

#include "weft/core/error.hpp"

namespace weft {

SymmetricEigen symmetric_eigen(std::vector<double> matrix, std::int64_t n) {
  require(static_cast<std::int64_t>(matrix.size()) == n * n, "a symmetric matrix of another size");
  const auto [values, columns] = at::linalg_eigh(at::from_blob(matrix.data(), {n, n}, at::kDouble));
  const at::Tensor rows = columns.t().contiguous();
  const double* value = values.const_data_ptr<double>();
  const double* vector = rows.const_data_ptr<double>();
  return {{value, value + n}, {vector, vector + n * n}};
}

}  // namespace weft
