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
      derivative(at::empty({options.frames, options.neurons}, at::kDouble)) {
  const std::int64_t n = options.neurons;
  const auto groups = static_cast<std::int64_t>(options.psi.size());
  const Philox random(options.seed, RandomStream::process_noise);
  at::Tensor x = 5 * random_tensor({n}, options.seed + 300);
  for (std::int64_t j = 0; j < n; ++j) group.push_back(groups > 0 ? j % groups : 0);
  for (std::int64_t t = -options.burn_in; t < options.frames; ++t) {
    at::Tensor psi = x.tanh();
    double* const value = psi.mutable_data_ptr<double>();
    double* const state = x.mutable_data_ptr<double>();
    for (std::int64_t j = 0; j < n && groups > 0; ++j)
      value[j] = options.psi[static_cast<std::size_t>(group[static_cast<std::size_t>(j)])](state[j]);
    at::Tensor change = at::mv(connectivity, psi);
    double* const f = change.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < n; ++i) {
      const auto type = static_cast<double>(i % options.types);
      f[i] += -(1 + 0.5 * type) * state[i] + (1 + std::fmod(type, 3)) * std::tanh(state[i]);
    }
    if (t >= 0) {
      activity[t].copy_(x);
      derivative[t].copy_(change);
    }
    for (std::int64_t i = 0; i < n; ++i)
      state[i] += options.dt * f[i] + options.noise * random.normal(static_cast<std::uint64_t>(t + options.burn_in),
                                                                   static_cast<std::uint64_t>(i));
  }
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
  TrainingData data{partition, shard, own(activity), own(derivative), {}, activity_scale_of(activity.std().item<double>())};
  data.frames.total = activity.size(0);
  data.frames.with_derivative.resize(static_cast<std::size_t>(activity.size(0) - (differences_ ? 1 : 0)));
  std::iota(data.frames.with_derivative.begin(), data.frames.with_derivative.end(), 0);
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
