#pragma once

#include <cstdint>

#include "weft/kernels/adam_kernels.hpp"
#include "weft/kernels/dot_kernels.hpp"
#include "weft/kernels/mlp_kernels.hpp"
#include "weft/kernels/row_kernels.hpp"
#include "weft/kernels/simulation_step.hpp"
#include "weft/kernels/spline_kernels.hpp"
#include "weft/kernels/training_schedule.hpp"

namespace weft {

/// The hot loops of one precision, on one kind of memory: the host's, or a GPU's, where they run in the order
/// of its stream. What each does stands with the functions of the same names, in the headers above. All
/// pointers, those inside the arguments among them, are to that memory. Local.
template <typename T>
class KernelsOf {
 public:
  virtual ~KernelsOf() = default;

  virtual void row_product(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) const = 0;
  virtual void column_product(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) const = 0;
  virtual void adam_row_product(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                                std::int64_t next_batch, T* out) const = 0;
  virtual void adam_elements(T* w, T* m, T* v, const T* gradient, std::int64_t count,
                             const AdamFactors* factors) const = 0;
  virtual void row_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const = 0;
  virtual void column_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) const = 0;
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

/// All hot loops on one kind of memory.
class Kernels {
 public:
  virtual ~Kernels() = default;

  /// weft::begin_step, everything but the schedule in the kernels' memory.
  virtual void begin_step(const TrainingSchedule& schedule, TrainingCounters* counters,
                          const std::int64_t* choices, std::int64_t* frames,
                          AdamFactors* factors) const = 0;
  /// Records x and f(x) where `step.frames` says, then x <- (x + dt f(x)) + noise and its tanh, for S
  /// trajectories of the own neurons. The sum over presynaptic neurons has one fixed order, which depends on
  /// N alone; all else is computed neuron by neuron.
  virtual void simulation_step(const SimulationStep& step) const = 0;
  virtual void set_counter(SimulationCounter* counter, SimulationCounter value) const = 0;
  /// On to the next step and frame.
  virtual void advance_counter(SimulationCounter* counter) const = 0;
  /// tanh_all (S x N) from what was gathered: the ranks' (S x own) blocks, in rank order. `begins` has the
  /// first neuron of each rank, then N.
  virtual void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                                   std::int64_t trajectories, std::int64_t neurons,
                                   float* tanh_all) const = 0;

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
