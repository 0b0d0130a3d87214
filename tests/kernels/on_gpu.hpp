#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "weft/device/device.hpp"

#include "support/device_under_test.hpp"

/// The kernels of the device under test for arrays of the host, under the names and with the arguments of the
/// host's: copied there and back around each call.
namespace weft::on_gpu {

/// An array of the host as the device's kernels get it. It lies as far from an address that is a multiple of
/// 256 as that of the host, for kernels read aligned arrays in another way.
template <typename T>
class Lent {
 public:
  Lent(T* host, std::int64_t count) : host_(host), bytes_(static_cast<std::size_t>(count) * sizeof(T)) {
    if (host == nullptr) return;
    memory_ = device_under_test().allocate(bytes_ + 2 * kAligned);
    const std::uintptr_t aligned = (address(memory_.get()) + kAligned - 1) / kAligned * kAligned;
    data_ = reinterpret_cast<T*>(aligned + address(host) % kAligned);
    device_under_test().copy_in(const_cast<std::remove_const_t<T>*>(data_), host, bytes_);
  }
  T* data() const { return data_; }
  void give_back() const {
    if (host_ != nullptr) device_under_test().copy_out(host_, data_, bytes_);
  }

 private:
  static constexpr std::uintptr_t kAligned = 256;
  static std::uintptr_t address(const void* data) { return reinterpret_cast<std::uintptr_t>(data); }

  T* host_;
  std::size_t bytes_;
  DeviceMemory memory_;
  T* data_ = nullptr;
};

template <typename T>
std::int64_t extent(const RowBlock<T>& block) {
  return block.rows == 0 ? 0 : (block.rows - 1) * block.stride + block.columns;
}

template <typename T>
class LentBlock : public Lent<T> {
 public:
  explicit LentBlock(RowBlock<T> host) : Lent<T>(host.data, extent(host)), block_(host) {
    block_.data = this->data();
  }
  RowBlock<T> block() const { return block_; }

 private:
  RowBlock<T> block_;
};

template <typename T>
const KernelsOf<T>& kernels() {
  return device_under_test().kernels().of<T>();
}

template <typename T>
void row_product(RowBlock<const T> w, const T* x, std::int64_t batch, T* out) {
  const LentBlock on_w(w);
  const Lent on_x(x, batch * w.columns);
  const Lent on_out(out, batch * w.rows);
  kernels<T>().row_product(on_w.block(), on_x.data(), batch, on_out.data());
  on_out.give_back();
}

template <typename T>
void column_product(RowBlock<const T> w, const T* g, std::int64_t batch, T* out) {
  const LentBlock on_w(w);
  const Lent on_g(g, batch * w.rows);
  const Lent on_out(out, batch * w.columns);
  kernels<T>().column_product(on_w.block(), on_g.data(), batch, on_out.data());
  on_out.give_back();
}

template <typename T>
void adam_row_product(RowBlock<T> w, T* m, T* v, const AdamRowStep<T>& step, const T* next,
                      std::int64_t next_batch, T* out) {
  const LentBlock on_w(w);
  const Lent on_m(m, extent(w)), on_v(v, extent(w)), on_out(out, next_batch * w.rows);
  const Lent on_next(next, next_batch * w.columns);
  const Lent on_g(step.g, step.batch * w.rows), on_x(step.x, step.batch * w.columns);
  const Lent on_factors(step.factors, 1);
  AdamRowStep<T> on_step = step;
  on_step.g = on_g.data(), on_step.x = on_x.data(), on_step.factors = on_factors.data();
  kernels<T>().adam_row_product(on_w.block(), on_m.data(), on_v.data(), on_step, on_next.data(), next_batch,
                                on_out.data());
  for (const auto* written : {static_cast<const Lent<T>*>(&on_w), &on_m, &on_v, &on_out})
    written->give_back();
}

template <typename T>
void adam_elements(T* w, T* m, T* v, const T* gradient, std::int64_t count, const AdamFactors* factors) {
  const Lent on_w(w, count), on_m(m, count), on_v(v, count);
  const Lent on_gradient(gradient, count);
  const Lent on_factors(factors, 1);
  kernels<T>().adam_elements(on_w.data(), on_m.data(), on_v.data(), on_gradient.data(), count,
                             on_factors.data());
  for (const auto* written : {&on_w, &on_m, &on_v}) written->give_back();
}

inline void begin_step(const TrainingSchedule& schedule, TrainingCounters* counters,
                       const std::int64_t* choices, std::int64_t* frames, AdamFactors* factors) {
  const Lent on_counters(counters, 1);
  const Lent on_choices(choices, schedule.usable);
  const Lent on_frames(frames, schedule.entries);
  const Lent on_factors(factors, kTrainedParts);
  device_under_test().kernels().begin_step(schedule, on_counters.data(), on_choices.data(), on_frames.data(),
                                           on_factors.data());
  on_counters.give_back();
  on_frames.give_back();
  on_factors.give_back();
}

inline void simulation_step(const SimulationStep& step) {
  const std::int64_t own = step.w.rows, all = step.trajectories * own;
  const std::int64_t recorded = all * step.frames.capacity;
  const LentBlock on_w(step.w);
  const Lent on_gain(step.gain, own), on_self_coupling(step.self_coupling, own), on_decay(step.decay, own);
  const Lent on_tanh_all(step.tanh_all, step.trajectories * step.w.columns);
  const Lent on_x(step.x, all),
      on_tanh_next(step.tanh_next, (step.trajectories - 1) * step.tanh_stride + own);
  const Lent on_activity(step.frames.activity, recorded), on_derivative(step.frames.derivative, recorded);
  const Lent on_counter(step.counter, 1);
  SimulationStep on_step = step;
  on_step.w = on_w.block();
  on_step.gain = on_gain.data(), on_step.self_coupling = on_self_coupling.data();
  on_step.decay = on_decay.data(), on_step.tanh_all = on_tanh_all.data();
  on_step.x = on_x.data(), on_step.tanh_next = on_tanh_next.data();
  on_step.frames.activity = on_activity.data(), on_step.frames.derivative = on_derivative.data();
  on_step.counter = on_counter.data();
  device_under_test().kernels().simulation_step(on_step);
  for (const auto* written : {&on_x, &on_tanh_next, &on_activity, &on_derivative}) written->give_back();
}

inline void set_counter(SimulationCounter* counter, SimulationCounter value) {
  const Lent on_counter(counter, 1);
  device_under_test().kernels().set_counter(on_counter.data(), value);
  on_counter.give_back();
}

inline void advance_counter(SimulationCounter* counter) {
  const Lent on_counter(counter, 1);
  device_under_test().kernels().advance_counter(on_counter.data());
  on_counter.give_back();
}

inline void order_by_trajectory(const float* gathered, const std::int64_t* begins, int ranks,
                                std::int64_t trajectories, std::int64_t neurons, float* tanh_all) {
  const Lent on_gathered(gathered, trajectories * neurons);
  const Lent on_begins(begins, ranks + 1);
  const Lent on_tanh_all(tanh_all, trajectories * neurons);
  device_under_test().kernels().order_by_trajectory(on_gathered.data(), on_begins.data(), ranks, trajectories,
                                                    neurons, on_tanh_all.data());
  on_tanh_all.give_back();
}

template <typename T>
void row_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) {
  const LentBlock on_a(a), on_b(b);
  const Lent on_out(out, a.rows);
  kernels<T>().row_dots(on_a.block(), on_b.block(), on_out.data());
  on_out.give_back();
}

template <typename T>
void column_dots(RowBlock<const T> a, RowBlock<const T> b, double* out) {
  const LentBlock on_a(a), on_b(b);
  const Lent on_out(out, a.columns);
  kernels<T>().column_dots(on_a.block(), on_b.block(), on_out.data());
  on_out.give_back();
}

inline std::int64_t mlp_parameters(std::int64_t inputs) {
  return kMlpHidden * (inputs + 1) + kMlpHidden * (kMlpHidden + 1) + kMlpHidden + 1;
}

template <typename T>
void mlp_forward(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows, T* first,
                 T* second, T* output) {
  const Lent on_parameters(parameters, mlp_parameters(inputs)), on_input(input, rows * inputs);
  const Lent on_first(first, rows * kMlpHidden), on_second(second, rows * kMlpHidden),
      on_output(output, rows);
  kernels<T>().mlp_forward(on_parameters.data(), inputs, on_input.data(), rows, on_first.data(),
                           on_second.data(), on_output.data());
  for (const auto* written : {&on_first, &on_second, &on_output}) written->give_back();
}

template <typename T>
void mlp_backward(const T* parameters, std::int64_t inputs, const T* input, const T* first, const T* second,
                  const T* output_gradient, std::int64_t rows, T* gradient, T* first_gradient) {
  const Lent on_parameters(parameters, mlp_parameters(inputs)), on_input(input, rows * inputs);
  const Lent on_first(first, rows * kMlpHidden), on_second(second, rows * kMlpHidden);
  const Lent on_output_gradient(output_gradient, rows);
  const Lent on_gradient(gradient, mlp_parameters(inputs)),
      on_first_gradient(first_gradient, rows * kMlpHidden);
  kernels<T>().mlp_backward(on_parameters.data(), inputs, on_input.data(), on_first.data(), on_second.data(),
                            on_output_gradient.data(), rows, on_gradient.data(), on_first_gradient.data());
  on_gradient.give_back();
  on_first_gradient.give_back();
}

/// Coordinates and the axis of their functions, on the device.
class LentCoordinates {
 public:
  LentCoordinates(const CoordinateRows& u, const CubicAxis& axis)
      : frames_(u.frames, u.count),
        data_(u.data,
              u.count == 0 ? 0 : *std::max_element(u.frames, u.frames + u.count) * u.stride + u.columns),
        first_(axis.first, axis.first == nullptr ? 0 : u.columns),
        u_(u),
        axis_(axis) {
    u_.frames = frames_.data(), u_.data = data_.data(), axis_.first = first_.data();
  }
  const CoordinateRows& u() const { return u_; }
  const CubicAxis& axis() const { return axis_; }

 private:
  Lent<const std::int64_t> frames_;
  Lent<const float> data_;
  Lent<const std::int32_t> first_;
  CoordinateRows u_;
  CubicAxis axis_;
};

/// Entries of a table of cubics that the columns of `u` can be in.
inline std::int64_t table_entries(const CoordinateRows& u, const CubicAxis& axis) {
  const std::int64_t last = axis.first == nullptr ? 0 : *std::max_element(axis.first, axis.first + u.columns);
  return 4 * (last + axis.intervals);
}

template <typename T>
void spline_values(const CoordinateRows& u, const CubicAxis& axis, const T* cubics, bool differenced,
                   T* out) {
  const LentCoordinates on(u, axis);
  const Lent on_cubics(cubics, table_entries(u, axis));
  const Lent on_out(out, u.count * u.columns);
  kernels<T>().spline_values(on.u(), on.axis(), on_cubics.data(), differenced, on_out.data());
  on_out.give_back();
}

template <typename T>
void spline_sensitivity(const CoordinateRows& u, const CubicAxis& axis, const T* w, std::int64_t rows,
                        std::int64_t splines, bool differenced, T* out) {
  const LentCoordinates on(u, axis);
  const Lent on_w(w, u.columns * rows);
  const Lent on_out(out, u.count * rows * splines);
  kernels<T>().spline_sensitivity(on.u(), on.axis(), on_w.data(), rows, splines, differenced, on_out.data());
  on_out.give_back();
}

}  // namespace weft::on_gpu
