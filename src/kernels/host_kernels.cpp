#include "weft/kernels/kernels.hpp"

namespace weft {
namespace {

template <typename T>
class HostKernelsOf final : public KernelsOf<T> {
 public:
  void row_product(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) const override {
    weft::row_product(w, x, batch, out);
  }
  void column_product(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) const override {
    weft::column_product(w, g, batch, out);
  }
  void adam_row_product(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                        std::int64_t next_batch, T* out) const override {
    weft::adam_row_product(w, m, v, step, next, next_batch, out);
  }
  void mlp_forward(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows, T* first,
                   T* second, T* output) const override {
    weft::mlp_forward(parameters, inputs, input, rows, first, second, output);
  }
  void mlp_backward(const T* parameters, std::int64_t inputs, const T* input, const T* first, const T* second,
                    const T* output_gradient, std::int64_t rows, T* gradient,
                    T* first_gradient) const override {
    weft::mlp_backward(parameters, inputs, input, first, second, output_gradient, rows, gradient,
                       first_gradient);
  }
  void spline_values(const CoordinateRows& u, const CubicAxis& axis, const T* cubics, bool differenced,
                     T* out) const override {
    weft::spline_values(u, axis, cubics, differenced, out);
  }
  void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const T* w, std::int64_t rows,
                          std::int64_t splines, bool differenced, T* out) const override {
    weft::spline_sensitivity(u, axis, w, rows, splines, differenced, out);
  }
};

class HostKernels final : public Kernels {
 public:
  const KernelsOf<float>& single() const override { return single_; }
  const KernelsOf<double>& twice() const override { return twice_; }

 private:
  HostKernelsOf<float> single_;
  HostKernelsOf<double> twice_;
};

}  // namespace

const Kernels& host_kernels() {
  static const HostKernels kernels;
  return kernels;
}

}  // namespace weft
