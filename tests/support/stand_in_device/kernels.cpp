#include "support/stand_in_device/kernels.hpp"

#include "kernels/cuda/cuda_kernels.hpp"
#include "support/stand_in_device/stand_in_device.hpp"

namespace weft::stand_in {
namespace {

// Where the host finds what an argument points at.

template <typename T>
T* at_host(T* device) {
  return static_cast<T*>(host_address(device));
}
template <typename T>
RowBlock<T> at_host(RowBlock<T> block) {
  block.data = at_host(block.data);
  return block;
}
template <typename T>
AdamRowStep<T> at_host(AdamRowStep<T> step) {
  step.g = at_host(step.g);
  step.x = at_host(step.x);
  step.factors = at_host(step.factors);
  return step;
}
CubicAxis at_host(CubicAxis axis) {
  axis.first = at_host(axis.first);
  return axis;
}
CoordinateRows at_host(CoordinateRows u) {
  u.data = at_host(u.data);
  u.frames = at_host(u.frames);
  return u;
}
SimulationStep at_host(SimulationStep step) {
  step.w = at_host(step.w);
  step.gain = at_host(step.gain);
  step.self_coupling = at_host(step.self_coupling);
  step.decay = at_host(step.decay);
  step.tanh_all = at_host(step.tanh_all);
  step.x = at_host(step.x);
  step.tanh_next = at_host(step.tanh_next);
  step.counter = at_host(step.counter);
  step.frames.activity = at_host(step.frames.activity);
  step.frames.derivative = at_host(step.frames.derivative);
  return step;
}

template <typename T>
class StandInKernelsOf final : public KernelsOf<T> {
 public:
  explicit StandInKernelsOf(const KernelsOf<T>& kernels) : kernels_(kernels) {}

  void row_product(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) const override {
    run_kernel([=, &k = kernels_] { k.row_product(at_host(w), at_host(x), batch, at_host(out)); });
  }
  void column_product(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) const override {
    run_kernel([=, &k = kernels_] { k.column_product(at_host(w), at_host(g), batch, at_host(out)); });
  }
  void adam_row_product(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                        std::int64_t next_batch, T* out) const override {
    run_kernel([=, &k = kernels_] {
      k.adam_row_product(at_host(w), at_host(m), at_host(v), at_host(step), at_host(next), next_batch,
                         at_host(out));
    });
  }
  void adam_elements(T* w, T* m, T* v, const T* gradient, std::int64_t count,
                     const AdamFactors* factors) const override {
    run_kernel([=, &k = kernels_] {
      k.adam_elements(at_host(w), at_host(m), at_host(v), at_host(gradient), count, at_host(factors));
    });
  }
  void row_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const override {
    run_kernel([=, &k = kernels_] { k.row_dots(at_host(a), at_host(b), at_host(out)); });
  }
  void column_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const override {
    run_kernel([=, &k = kernels_] { k.column_dots(at_host(a), at_host(b), at_host(out)); });
  }
  void mlp_forward(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows, T* first,
                   T* second, T* output) const override {
    run_kernel([=, &k = kernels_] {
      k.mlp_forward(at_host(parameters), inputs, at_host(input), rows, at_host(first), at_host(second),
                    at_host(output));
    });
  }
  void mlp_backward(const T* parameters, std::int64_t inputs, const T* input, const T* first, const T* second,
                    const T* output_gradient, std::int64_t rows, T* gradient,
                    T* first_gradient) const override {
    run_kernel([=, &k = kernels_] {
      k.mlp_backward(at_host(parameters), inputs, at_host(input), at_host(first), at_host(second),
                     at_host(output_gradient), rows, at_host(gradient), at_host(first_gradient));
    });
  }
  void spline_values(const CoordinateRows& u, const CubicAxis& axis, const T* cubics, bool differenced,
                     T* out) const override {
    run_kernel([=, &k = kernels_] {
      k.spline_values(at_host(u), at_host(axis), at_host(cubics), differenced, at_host(out));
    });
  }
  void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const T* w, std::int64_t rows,
                          std::int64_t splines, bool differenced, T* out) const override {
    run_kernel([=, &k = kernels_] {
      k.spline_sensitivity(at_host(u), at_host(axis), at_host(w), rows, splines, differenced, at_host(out));
    });
  }

 private:
  const KernelsOf<T>& kernels_;
};

class StandInKernels final : public Kernels {
 public:
  void begin_step(const TrainingSchedule& schedule, TrainingCounters* counters, const std::int64_t* choices,
                  std::int64_t* frames, AdamFactors* factors) const override {
    run_kernel([=, &k = *kernels_] {
      k.begin_step(schedule, at_host(counters), at_host(choices), at_host(frames), at_host(factors));
    });
  }
  void simulation_step(const SimulationStep& step) const override {
    run_kernel([=, &k = *kernels_] { k.simulation_step(at_host(step)); });
  }
  void set_counter(SimulationCounter* counter, SimulationCounter value) const override {
    run_kernel([=, &k = *kernels_] { k.set_counter(at_host(counter), value); });
  }
  void advance_counter(SimulationCounter* counter) const override {
    run_kernel([=, &k = *kernels_] { k.advance_counter(at_host(counter)); });
  }
  void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                           std::int64_t trajectories, std::int64_t neurons, float* tanh_all) const override {
    run_kernel([=, &k = *kernels_] {
      k.order_by_trajectory(at_host(gathered), at_host(begins), ranks, trajectories, neurons,
                            at_host(tanh_all));
    });
  }
  const KernelsOf<float>& single() const override { return single_; }
  const KernelsOf<double>& twice() const override { return twice_; }

 private:
  std::unique_ptr<Kernels> kernels_ = cuda_kernels(nullptr);
  StandInKernelsOf<float> single_{kernels_->single()};
  StandInKernelsOf<double> twice_{kernels_->twice()};
};

}  // namespace

std::unique_ptr<Kernels> stand_in_kernels() { return std::make_unique<StandInKernels>(); }

}  // namespace weft::stand_in
