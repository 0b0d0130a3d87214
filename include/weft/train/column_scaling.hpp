#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/process_grid.hpp"
#include "weft/core/row_partition.hpp"

namespace weft {

/// Sums of own columns over frames, in double precision.
struct ColumnMoments {
  std::vector<double> sum, squares;  ///< (own columns)
  std::int64_t frames = 0;

  /// More frames: `values` is (frames x own columns). Local.
  void add(const at::Tensor& values);
};

/// Brings own columns to mean 0 and variance 1.
struct ColumnScaling {
  std::vector<double> mean;  ///< (own columns)
  /// (own columns) One over the standard deviation; 0 where there is next to none.
  std::vector<double> scale;
  /// Columns of the whole assembly that vary by under 1e-4 of the median one, or by rounding.
  std::int64_t silent = 0;

  /// values := (values - mean) * scale, (frames x own columns). Local.
  void apply(at::Tensor& values) const;
};

/// From the moments of all replicas' frames. @collective over the grid.
ColumnScaling scale_columns(const ProcessGrid& grid, const RowPartition& partition, ColumnMoments moments);

}  // namespace weft
