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
  void adam_elements(T* w, T* m, T* v, const T* gradient, std::int64_t count,
                     const AdamFactors* factors) const override {
    weft::adam_elements(w, m, v, gradient, count, factors);
  }
  void row_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const override {
    weft::row_dots(a, b, out);
  }
  void column_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const override {
    weft::column_dots(a, b, out);
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
  void begin_step(const TrainingSchedule& schedule, TrainingCounters* counters, const std::int64_t* choices,
                  std::int64_t* frames, AdamFactors* factors) const override {
    weft::begin_step(schedule, *counters, choices, frames, factors);
  }
  void simulation_step(const SimulationStep& step) const override { weft::simulation_step(step); }
  void set_counter(SimulationCounter* counter, SimulationCounter value) const override { *counter = value; }
  void advance_counter(SimulationCounter* counter) const override {
    ++counter->step;
    ++counter->frame;
  }
  void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                           std::int64_t trajectories, std::int64_t neurons, float* tanh_all) const override {
    weft::order_by_trajectory(gathered, begins, ranks, trajectories, neurons, tanh_all);
  }
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
