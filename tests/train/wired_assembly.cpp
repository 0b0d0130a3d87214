#include "wired_assembly.hpp"

#include <cmath>
#include <numeric>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/tan.h>
#include <ATen/ops/zeros.h>

#include "weft/core/activity_scale.hpp"
#include "weft/core/philox.hpp"

#include "model/random_tensor.hpp"

namespace weft {
namespace {

constexpr double kGain = 10;

at::Tensor draw_connectivity(const WiredOptions& options) {
  const std::int64_t n = options.neurons;
  const double size = kGain / std::pow(static_cast<double>(n), 0.7);
  const at::Tensor normal = random_tensor({n, n}, options.seed);
  at::Tensor w = normal * size;
  if (options.wiring == Wiring::cauchy) {
    w = normal / random_tensor({n, n}, options.seed + 100);  // a ratio of two normal numbers is a Cauchy one
    w = (w * (w.abs() < 25)) * size;
  }
  if (options.wiring == Wiring::sparse) w = w * (random_tensor({n, n}, options.seed + 200) > 1) * 3;
  return w.fill_diagonal_(0);
}

}  // namespace

WiredAssembly::WiredAssembly(const WiredOptions& options)
    : connectivity(draw_connectivity(options)),
      activity(at::empty({options.frames, options.neurons}, at::kDouble)),
      derivative(at::empty({options.frames, options.neurons}, at::kDouble)),
      options_(options) {
  const auto groups = static_cast<std::int64_t>(options.psi.size());
  for (std::int64_t j = 0; j < options.neurons; ++j) group.push_back(groups > 0 ? j % groups : 0);
  for (std::int64_t k = 0; k < options.trajectories; ++k) simulate(k);
}

/// dx/dt at this activity of all neurons.
at::Tensor WiredAssembly::flow(const at::Tensor& x) const {
  const std::int64_t n = options_.neurons;
  at::Tensor psi = x.tanh();
  double* const value = psi.mutable_data_ptr<double>();
  const double* const state = x.const_data_ptr<double>();
  for (std::int64_t j = 0; j < n && !options_.psi.empty(); ++j)
    value[j] = options_.psi[static_cast<std::size_t>(group[static_cast<std::size_t>(j)])](state[j]);
  at::Tensor change = at::mv(connectivity, psi);
  double* const f = change.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto type = static_cast<double>(i % options_.types);
    f[i] += -(1 + 0.5 * type) * state[i] + (1 + std::fmod(type, 3)) * std::tanh(state[i]);
  }
  return change;
}

void WiredAssembly::simulate(std::int64_t trajectory) {
  const std::int64_t n = options_.neurons;
  const std::int64_t begin = options_.frames * trajectory / options_.trajectories;
  const std::int64_t length = options_.frames * (trajectory + 1) / options_.trajectories - begin;
  starts_.push_back(begin);
  const Philox random(options_.seed + 1000 * static_cast<std::uint64_t>(trajectory),
                      RandomStream::process_noise);
  at::Tensor x = 5 * random_tensor({n}, options_.seed + 300 + static_cast<std::uint64_t>(trajectory));
  double* const state = x.mutable_data_ptr<double>();
  for (std::int64_t t = -options_.burn_in; t < length; ++t) {
    const at::Tensor change = flow(x);
    if (t >= 0) {
      activity[begin + t].copy_(x);
      derivative[begin + t].copy_(change);
    }
    const double* const f = change.const_data_ptr<double>();
    for (std::int64_t i = 0; i < n; ++i)
      state[i] += options_.dt * f[i] +
                  options_.noise * random.normal(static_cast<std::uint64_t>(t + options_.burn_in),
                                                 static_cast<std::uint64_t>(i));
  }
}

void WiredAssembly::replace_activity(std::int64_t neuron, const at::Tensor& series) {
  activity.select(1, neuron).copy_(series);
  for (std::int64_t t = 0; t < options_.frames; ++t) derivative[t].copy_(flow(activity[t]));
}

void WiredAssembly::add_derivative_noise(double snr_db) {
  const double size = derivative.std().item<double>() * std::pow(10, -snr_db / 20);
  derivative.add_(size * random_tensor(derivative.sizes(), 77));
}

void WiredAssembly::difference(double dt) {
  const std::int64_t last = activity.size(0) - 1;
  derivative.narrow(0, 0, last).copy_((activity.narrow(0, 1, last) - activity.narrow(0, 0, last)) / dt);
  differences_ = true;
}

TrainingData WiredAssembly::data(const RowPartition& partition, int shard) const {
  const auto own = [&](const at::Tensor& values) {
    return values.narrow(1, partition.begin(shard), partition.size(shard)).to(at::kFloat).contiguous();
  };
  TrainingData data{partition,       shard, own(activity),
                    own(derivative), {},    activity_scale_of(activity.std().item<double>())};
  data.frames.total = activity.size(0);
  data.frames.with_derivative.resize(static_cast<std::size_t>(activity.size(0) - (differences_ ? 1 : 0)));
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
  data.frames.trajectory_starts = starts_;
  data.differences = differences_;
  return data;
}

double lost_r2(const at::Tensor& found, const at::Tensor& truth, std::int64_t first) {
  const at::Tensor w = truth.narrow(0, first, found.size(0));
  at::Tensor error = found.to(at::kDouble) - w;
  for (std::int64_t i = 0; i < found.size(0); ++i) error[i][first + i] = 0;
  return (error.square().sum() / (w - w.mean()).square().sum()).item<double>();
}

}  // namespace weft
