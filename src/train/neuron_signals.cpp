#include "weft/train/neuron_signals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"
#include "weft/kernels/spline_kernels.hpp"
#include "weft/model/element_type.hpp"
#include "weft/model/tensor_kernels.hpp"

#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

// Points of the coordinate in a standard deviation of activity: fine where activity is dense.
constexpr double kPerDeviation = 8;
// Frames at which rounding is looked at.
constexpr std::size_t kRoundingFrames = 200;
// The ends of the axis lie a little outside the data, so that no sample is at the very end of a spline.
constexpr double kPadding = 1e-4;

double standard_deviation(Communicator& rows, const at::Tensor& activity) {
  const at::Tensor some =
      activity.slice(0, 0, activity.size(0), std::max<std::int64_t>(1, activity.size(0) / 500))
          .to(at::kDouble);
  std::array<double, 3> sums{static_cast<double>(some.numel()), some.sum().item<double>(),
                             some.square().sum().item<double>()};
  sum_over(rows, std::span<double>(sums));
  const double mean = sums[1] / sums[0];
  return std::sqrt(std::max(0.0, sums[2] / sums[0] - mean * mean));
}

/// The largest of each number over the ranks. @collective
template <std::size_t Count>
std::array<double, Count> largest(Communicator& rows, std::array<double, Count> values) {
  rows.all_reduce(std::span<double>(values), Reduction::max).wait();
  return values;
}

SplineAxis fit_axis(Communicator& rows, double scale, const at::Tensor& coordinate) {
  const auto [low, high] = at::aminmax(coordinate);
  const auto [minus_low, top] = largest<2>(rows, {-low.item<double>(), high.item<double>()});
  const double padding = kPadding * (top + minus_low);
  return {scale, -minus_low - padding, top + minus_low + 2 * padding};
}

/// The entry of the table at which each own neuron's function starts, (rows) int32.
at::Tensor first_entries(const NeuronSignals& signals, std::int64_t splines) {
  const auto begin = signals.group.begin() + signals.partition.begin(signals.shard);
  at::Tensor first = at::empty({signals.rows()}, at::kInt);
  std::transform(begin, begin + signals.rows(), first.mutable_data_ptr<std::int32_t>(),
                 [&](std::int64_t group) { return static_cast<std::int32_t>(group * splines); });
  return first.to(signals.device);
}

CubicAxis cubic_axis(const SplineAxis& axis, std::int64_t splines, const at::Tensor& first) {
  const UniformSplines basis(splines);
  return {axis.low, static_cast<double>(basis.intervals()) / axis.width, basis.intervals(),
          first.defined() ? first.const_data_ptr<std::int32_t>() : nullptr};
}

/// The cubics of all functions one after the other, `splines` entries each, of which the last three are not
/// used.
at::Tensor cubic_table(std::span<const double> coefficients, std::int64_t splines,
                       const at::TensorOptions& options) {
  const UniformSplines basis(splines);
  const std::int64_t functions = std::ssize(coefficients) / splines;
  at::Tensor table = at::zeros({functions * splines, 4}, options.device(at::kCPU));
  with_element_type(table, [&]<typename T>(T*) {
    T* to = table.mutable_data_ptr<T>();
    for (std::int64_t f = 0; f < functions; ++f, to += 4 * splines) {
      const std::vector<double> cubics = basis.cubics(
          coefficients.subspan(static_cast<std::size_t>(f * splines), static_cast<std::size_t>(splines)));
      std::transform(cubics.begin(), cubics.end(), to, [](double value) { return static_cast<T>(value); });
    }
  });
  return table.to(options.device());
}

/// Frames of a series where they are computed with: the `rows` of `series`.
struct FramesAtHand {
  at::Tensor series;
  at::Tensor rows;  ///< each with the frame before it above it, where they are differenced

  CoordinateRows coordinates() const {
    return {series.const_data_ptr<float>(), series.size(1), series.size(1),
            rows.const_data_ptr<std::int64_t>(), rows.numel()};
  }
};

FramesAtHand at_hand(const NeuronSignals& signals, const at::Tensor& series,
                     std::span<const std::int64_t> frames, bool differenced) {
  at::Tensor wanted = index_of(frames);
  if (series.device() == signals.device) return {series, wanted.to(signals.device)};
  const std::int64_t each = differenced ? 2 : 1;
  if (differenced) wanted = at::stack({wanted - 1, wanted}, 1).view({-1});
  // From pinned memory a GPU copies by itself, while the host gathers what is wanted next.
  at::Tensor gathered =
      at::empty({wanted.numel(), series.size(1)}, series.options().pinned_memory(signals.device.is_cuda()));
  at::index_select_out(gathered, series, 0, wanted);
  return {gathered.to(signals.device, series.scalar_type(), /*non_blocking=*/true),
          at::arange(each - 1, wanted.numel(), each, wanted.options().device(signals.device))};
}

/// Calls `work` on one part of the frames after the other, with the rows of `out` that they are for.
template <typename Work>
void for_parts(const NeuronSignals& signals, std::span<const std::int64_t> frames, bool differenced,
               const at::Tensor& out, Work work) {
  const std::int64_t numbers = (differenced ? 2 : 1) * std::max<std::int64_t>(1, signals.rows());
  const auto most = signals.resident()
                        ? std::max<std::size_t>(1, frames.size())
                        : static_cast<std::size_t>(std::max<std::int64_t>(1, kBroughtNumbers / numbers));
  for (std::size_t first = 0; first < frames.size(); first += most) {
    const auto part = frames.subspan(first, std::min(most, frames.size() - first));
    work(at_hand(signals, signals.coordinate, part, differenced),
         out.narrow(0, static_cast<std::int64_t>(first), std::ssize(part)));
  }
}

at::Tensor values(const NeuronSignals& signals, std::span<const std::int64_t> frames,
                  std::span<const double> coefficients, std::int64_t splines, const at::Tensor& first,
                  const EquationForm& form) {
  const auto options = at::TensorOptions(form.type).device(signals.device);
  at::Tensor out = at::empty({std::ssize(frames), signals.rows()}, options);
  const at::Tensor table = cubic_table(coefficients, splines, options);
  with_element_type(out, [&]<typename T>(T*) {
    const KernelsOf<T>& kernels = kernels_of(out).of<T>();
    for_parts(signals, frames, form.differenced, out, [&](const FramesAtHand& u, const at::Tensor& part) {
      kernels.spline_values(u.coordinates(), cubic_axis(signals.axis, splines, first),
                            table.const_data_ptr<T>(), form.differenced, part.mutable_data_ptr<T>());
    });
  });
  return out;
}

}  // namespace

void NeuronSignals::compute_on(at::Device compute, bool resident) {
  device = compute;
  for (at::Tensor* const series : {&coordinate, &derivative})
    *series = series->to(resident ? compute : at::Device(at::kCPU));
}

at::Tensor NeuronSignals::psi_values(std::span<const std::int64_t> frames,
                                     std::span<const double> coefficients, const EquationForm& form) const {
  const std::int64_t splines = std::ssize(coefficients) / groups;
  return values(*this, frames, coefficients, splines, first_entries(*this, splines), form);
}

std::vector<double> NeuronSignals::psi_rounding(std::span<const std::int64_t> frames,
                                                std::span<const double> coefficients,
                                                const EquationForm& form) const {
  const std::int64_t splines = std::ssize(coefficients) / groups;
  const UniformSplines basis(splines);
  std::vector<std::int64_t> some;
  for (std::size_t k = 0; k < frames.size(); k += std::max<std::size_t>(1, frames.size() / kRoundingFrames))
    some.push_back(frames[k]);
  const at::Tensor coordinates = coordinate.index_select(0, index_of(some).to(coordinate.device())).cpu();
  const auto* const own_group = group.data() + partition.begin(shard);
  std::vector<double> squares(static_cast<std::size_t>(rows()), 0);
  for (std::int64_t k = 0; k < std::ssize(some); ++k) {
    const float* const u = coordinates.const_data_ptr<float>() + k * rows();
#pragma omp parallel for schedule(static)
    for (std::int64_t j = 0; j < rows(); ++j) {
      const auto own = coefficients.subspan(static_cast<std::size_t>(own_group[j] * splines),
                                            static_cast<std::size_t>(splines));
      const auto psi = [&](float at) { return basis.value(own, (at - axis.low) / axis.width); };
      const double step = psi(std::nextafter(u[j], std::numeric_limits<float>::infinity())) - psi(u[j]);
      squares[static_cast<std::size_t>(j)] += step * step;
    }
  }
  // Rounding is uniform within a step, of variance a twelfth, and happens twice.
  const double scale = (form.differenced ? 4.0 : 2.0) / 12 / std::max(1.0, static_cast<double>(some.size()));
  for (double& square : squares) square *= scale;
  return squares;
}

at::Tensor NeuronSignals::shape_values(std::span<const std::int64_t> frames,
                                       std::span<const double> coefficients, const EquationForm& form) const {
  return values(*this, frames, coefficients, std::ssize(coefficients), {}, form);
}

at::Tensor NeuronSignals::derivative_values(std::span<const std::int64_t> frames,
                                            const EquationForm& form) const {
  const FramesAtHand y = at_hand(*this, derivative, frames, form.differenced);
  at::Tensor result = y.series.index_select(0, y.rows).to(form.type);
  if (form.differenced) result.sub_(y.series.index_select(0, y.rows - 1));
  return result;
}

at::Tensor NeuronSignals::psi_sensitivity(std::span<const std::int64_t> frames, const at::Tensor& w,
                                          std::int64_t splines, const EquationForm& form) const {
  require(w.size(0) == rows() && w.is_contiguous() && w.scalar_type() == form.type && w.device() == device,
          "weights of own neurons");
  const at::Tensor first = first_entries(*this, splines);
  at::Tensor out = at::empty({std::ssize(frames), w.size(1), groups * splines}, w.options());
  with_element_type(out, [&]<typename T>(T*) {
    const KernelsOf<T>& kernels = kernels_of(out).of<T>();
    for_parts(*this, frames, form.differenced, out, [&](const FramesAtHand& u, const at::Tensor& part) {
      kernels.spline_sensitivity(u.coordinates(), cubic_axis(axis, splines, first), w.const_data_ptr<T>(),
                                 w.size(1), groups * splines, form.differenced, part.mutable_data_ptr<T>());
    });
  });
  return out;
}

NeuronSignals make_signals(Communicator& rows, TrainingData data, std::vector<std::int64_t> group) {
  const double scale = standard_deviation(rows, data.activity) / kPerDeviation;
  at::Tensor coordinate = data.activity.div_(scale).asinh_();
  const SplineAxis axis = fit_axis(rows, scale, coordinate);
  if (group.empty()) group.assign(static_cast<std::size_t>(data.partition.rows()), 0);
  require(std::ssize(group) == data.partition.rows(), "a group for each neuron");
  const std::int64_t groups = 1 + *std::ranges::max_element(group);
  return {data.partition,   data.shard, axis, std::move(coordinate), std::move(data.derivative),
          std::move(group), groups};
}

}  // namespace weft
