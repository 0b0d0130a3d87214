#include "kernels/cuda/adam_kernels.hpp"
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/dot_kernels.hpp"
#include "kernels/cuda/mlp_kernels.hpp"
#include "kernels/cuda/row_kernels.hpp"
#include "kernels/cuda/simulation_step.hpp"
#include "kernels/cuda/spline_kernels.hpp"
#include "kernels/cuda/training_schedule.hpp"

namespace weft {
namespace {

template <typename T>
class CudaKernelsOf final : public KernelsOf<T> {
 public:
  explicit CudaKernelsOf(cudaStream_t stream) : stream_(stream) {}

  void row_product(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) const override {
    cuda::row_product(w, x, batch, out, stream_);
  }
  void column_product(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) const override {
    cuda::column_product(w, g, batch, out, stream_);
  }
  void adam_row_product(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                        std::int64_t next_batch, T* out) const override {
    cuda::adam_row_product(w, m, v, step, next, next_batch, out, stream_);
  }
  void adam_elements(T* w, T* m, T* v, const T* gradient, std::int64_t count,
                     const AdamFactors* factors) const override {
    cuda::adam_elements(w, m, v, gradient, count, factors, stream_);
  }
  void row_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const override {
    cuda::row_dots(a, b, out, stream_);
  }
  void column_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const override {
    cuda::column_dots(a, b, out, stream_);
  }
  void mlp_forward(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows, T* first,
                   T* second, T* output) const override {
    cuda::mlp_forward(parameters, inputs, input, rows, first, second, output, stream_);
  }
  void mlp_backward(const T* parameters, std::int64_t inputs, const T* input, const T* first, const T* second,
                    const T* output_gradient, std::int64_t rows, T* gradient,
                    T* first_gradient) const override {
    cuda::mlp_backward(parameters, inputs, input, first, second, output_gradient, rows, gradient,
                       first_gradient, stream_);
  }
  void spline_values(const CoordinateRows& u, const CubicAxis& axis, const T* cubics, bool differenced,
                     T* out) const override {
    cuda::spline_values(u, axis, cubics, differenced, out, stream_);
  }
  void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const T* w, std::int64_t rows,
                          std::int64_t splines, bool differenced, T* out) const override {
    cuda::spline_sensitivity(u, axis, w, rows, splines, differenced, out, stream_);
  }

 private:
  cudaStream_t stream_;
};

class CudaKernels final : public Kernels {
 public:
  explicit CudaKernels(cudaStream_t stream) : stream_(stream), single_(stream), twice_(stream) {}

  void begin_step(const TrainingSchedule& schedule, TrainingCounters* counters, const std::int64_t* choices,
                  std::int64_t* frames, AdamFactors* factors) const override {
    cuda::begin_step(schedule, counters, choices, frames, factors, stream_);
  }
  void simulation_step(const SimulationStep& step) const override { cuda::simulation_step(step, stream_); }
  void set_counter(SimulationCounter* counter, SimulationCounter value) const override {
    cuda::set_counter(counter, value, stream_);
  }
  void advance_counter(SimulationCounter* counter) const override { cuda::advance_counter(counter, stream_); }
  void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                           std::int64_t trajectories, std::int64_t neurons, float* tanh_all) const override {
    cuda::order_by_trajectory(gathered, begins, ranks, trajectories, neurons, tanh_all, stream_);
  }
  const KernelsOf<float>& single() const override { return single_; }
  const KernelsOf<double>& twice() const override { return twice_; }

 private:
  cudaStream_t stream_;
  CudaKernelsOf<float> single_;
  CudaKernelsOf<double> twice_;
};

}  // namespace

std::unique_ptr<Kernels> cuda_kernels(void* stream) {
  return std::make_unique<CudaKernels>(static_cast<cudaStream_t>(stream));
}

}  // namespace weft
