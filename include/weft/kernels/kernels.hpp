#pragma once

#include <cstdint>

#include "weft/kernels/mlp_kernels.hpp"
#include "weft/kernels/row_kernels.hpp"
#include "weft/kernels/spline_kernels.hpp"

namespace weft {

/// The hot loops, on one kind of memory: the host's, or a GPU's, where they run in the order of its stream.
/// What each does stands with the functions of the same names (row_kernels.hpp, mlp_kernels.hpp,
/// spline_kernels.hpp, dot_kernels.hpp). All pointers, those inside the arguments among them, are to that
/// memory. Local.
template <typename T>
class KernelsOf {
 public:
  virtual ~KernelsOf() = default;

  virtual void row_product(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) const = 0;
  virtual void column_product(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) const = 0;
  virtual void adam_row_product(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                                std::int64_t next_batch, T* out) const = 0;
  virtual void mlp_forward(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows,
                           T* first, T* second, T* output) const = 0;
  virtual void mlp_backward(const T* parameters, std::int64_t inputs, const T* input, const T* first,
                            const T* second, const T* output_gradient, std::int64_t rows, T* gradient,
                            T* first_gradient) const = 0;
  virtual void spline_values(const CoordinateRows& u, const CubicAxis& axis, const T* cubics,
                             bool differenced, T* out) const = 0;
  virtual void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const T* w,
                                  std::int64_t rows, std::int64_t splines, bool differenced,
                                  T* out) const = 0;
};

/// Both precisions.
class Kernels {
 public:
  virtual ~Kernels() = default;
  virtual const KernelsOf<float>& single() const = 0;
  virtual const KernelsOf<double>& twice() const = 0;

  template <typename T>
  const KernelsOf<T>& of() const {
    if constexpr (sizeof(T) == sizeof(double)) {
      return twice();
    } else {
      return single();
    }
  }
};

/// Those of the host.
const Kernels& host_kernels();

}  // namespace weft
