#include "weft/train/neuron_signals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"
#include "weft/kernels/spline_kernels.hpp"
#include "weft/model/element_type.hpp"

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

/// The entry of the table at which each own neuron's function starts.
std::vector<std::int32_t> first_entries(const NeuronSignals& signals, std::int64_t splines) {
  const auto begin = signals.group.begin() + signals.partition.begin(signals.shard);
  std::vector<std::int32_t> first(static_cast<std::size_t>(signals.rows()));
  std::transform(begin, begin + signals.rows(), first.begin(),
                 [&](std::int64_t group) { return static_cast<std::int32_t>(group * splines); });
  return first;
}

CubicAxis cubic_axis(const SplineAxis& axis, std::int64_t splines, const std::int32_t* first) {
  const UniformSplines basis(splines);
  return {axis.low, static_cast<double>(basis.intervals()) / axis.width, basis.intervals(), first};
}

/// The cubics of all functions one after the other, `splines` entries each, of which the last three are not
/// used.
template <typename T>
std::vector<T> cubic_table(std::span<const double> coefficients, std::int64_t splines) {
  const UniformSplines basis(splines);
  const std::int64_t functions = std::ssize(coefficients) / splines;
  std::vector<T> table(static_cast<std::size_t>(4 * functions * splines), T{0});
  for (std::int64_t f = 0; f < functions; ++f) {
    const std::vector<double> cubics = basis.cubics(
        coefficients.subspan(static_cast<std::size_t>(f * splines), static_cast<std::size_t>(splines)));
    std::transform(cubics.begin(), cubics.end(), table.begin() + 4 * f * splines,
                   [](double value) { return static_cast<T>(value); });
  }
  return table;
}

CoordinateRows rows_of(const NeuronSignals& signals, std::span<const std::int64_t> frames) {
  return {signals.coordinate.const_data_ptr<float>(), signals.coordinate.size(1), signals.coordinate.size(1),
          frames.data(), std::ssize(frames)};
}

at::Tensor values(const NeuronSignals& signals, std::span<const std::int64_t> frames,
                  std::span<const double> coefficients, std::int64_t splines, const std::int32_t* first,
                  const EquationForm& form) {
  at::Tensor out = at::empty({std::ssize(frames), signals.rows()}, form.type);
  with_element_type(out, [&]<typename T>(T*) {
    const std::vector<T> table = cubic_table<T>(coefficients, splines);
    spline_values(rows_of(signals, frames), cubic_axis(signals.axis, splines, first), table.data(),
                  form.differenced, out.mutable_data_ptr<T>());
  });
  return out;
}

}  // namespace

at::Tensor NeuronSignals::psi_values(std::span<const std::int64_t> frames,
                                     std::span<const double> coefficients, const EquationForm& form) const {
  const std::int64_t splines = std::ssize(coefficients) / groups;
  const std::vector<std::int32_t> first = first_entries(*this, splines);
  return values(*this, frames, coefficients, splines, first.data(), form);
}

std::vector<double> NeuronSignals::psi_rounding(std::span<const std::int64_t> frames,
                                                std::span<const double> coefficients,
                                                const EquationForm& form) const {
  const std::int64_t splines = std::ssize(coefficients) / groups;
  const UniformSplines basis(splines);
  const std::size_t every = std::max<std::size_t>(1, frames.size() / kRoundingFrames);
  const auto* const own_group = group.data() + partition.begin(shard);
  std::vector<double> squares(static_cast<std::size_t>(rows()), 0);
  for (std::size_t k = 0; k < frames.size(); k += every) {
    const float* const u = coordinate.const_data_ptr<float>() + frames[k] * rows();
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
  const auto looked_at = static_cast<double>((frames.size() + every - 1) / every);
  const double scale = (form.differenced ? 4.0 : 2.0) / 12 / std::max(1.0, looked_at);
  for (double& square : squares) square *= scale;
  return squares;
}

at::Tensor NeuronSignals::shape_values(std::span<const std::int64_t> frames,
                                       std::span<const double> coefficients, const EquationForm& form) const {
  return values(*this, frames, coefficients, std::ssize(coefficients), nullptr, form);
}

at::Tensor NeuronSignals::derivative_values(std::span<const std::int64_t> frames,
                                            const EquationForm& form) const {
  const at::Tensor here = index_of(frames);
  at::Tensor result = derivative.index_select(0, here).to(form.type);
  if (form.differenced) result.sub_(derivative.index_select(0, here - 1));
  return result;
}

at::Tensor NeuronSignals::psi_sensitivity(std::span<const std::int64_t> frames, const at::Tensor& w,
                                          std::int64_t splines, const EquationForm& form) const {
  require(w.size(0) == rows() && w.is_contiguous() && w.scalar_type() == form.type, "weights of own neurons");
  const std::vector<std::int32_t> first = first_entries(*this, splines);
  at::Tensor out = at::empty({std::ssize(frames), w.size(1), groups * splines}, form.type);
  with_element_type(out, [&]<typename T>(T*) {
    spline_sensitivity(rows_of(*this, frames), cubic_axis(axis, splines, first.data()), w.const_data_ptr<T>(),
                       w.size(1), groups * splines, form.differenced, out.mutable_data_ptr<T>());
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
