#include "weft/train/distillation.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>

#include "weft/core/philox.hpp"
#include "weft/train/adam.hpp"

namespace weft {
namespace {

constexpr std::int64_t kSteps = 4000;
/// Of them, between two questions to all ranks: a fraction of a second.
constexpr std::int64_t kStepsAtATime = 250;
static_assert(kSteps % kStepsAtATime == 0);
/// Few enough for one thread, which is done with a step before others could help.
constexpr std::int64_t kBatch = 240;
constexpr double kLearningRate = 5e-3;
/// phi is learnt from so many neurons at most, and so many points of the axis each; psi from more points.
constexpr std::int64_t kNeurons = 256;
constexpr std::int64_t kPhiPoints = 256;
constexpr std::int64_t kPsiPoints = 4096;

/// What a network is to learn: a function at points that lie evenly in the axis coordinate.
struct Samples {
  at::Tensor input;   ///< (samples x inputs) float32, x first
  at::Tensor target;  ///< (samples) float32
};

/// The units in which a network learns: activity as (x - centre) / spread, values as value / size.
struct Units {
  double centre, spread, size;
};

/// Both ends among them, where a network is worst.
std::vector<double> points_of(const SplineAxis& axis, std::int64_t count) {
  std::vector<double> x;
  for (std::int64_t k = 0; k < count; ++k) {
    x.push_back(axis.activity(static_cast<double>(k) / static_cast<double>(count - 1)));
  }
  return x;
}

double rms(const at::Tensor& values) {
  const at::Tensor fine = values.to(at::kDouble);
  return std::sqrt(fine.mul(fine).mean().item<double>());
}

/// A function that is zero everywhere keeps its unit.
double size_of(const Samples& samples) {
  const double size = rms(samples.target);
  return size > 0 ? size : 1;
}

/// Centre and spread are those of the points: median and half the distance of the quartiles. So the kinks
/// that the published initialisation puts near 0 lie where the points are dense.
Units units_of(const SplineAxis& axis, const Samples& samples) {
  return {axis.activity(0.5), (axis.activity(0.75) - axis.activity(0.25)) / 2, size_of(samples)};
}

Samples in_units(const Samples& samples, const Units& units) {
  at::Tensor input = samples.input.clone();
  input.select(1, 0).sub_(units.centre).div_(units.spread);
  return {input, samples.target / units.size};
}

/// Makes a network that was fitted in other units take and give plain ones.
void to_plain_units(Mlp& mlp, const Units& units) {
  const auto parts = mlp.named_parameters();
  at::Tensor slope = parts[0].second.select(1, 0), bias = parts[1].second;
  bias.sub_(slope.div_(units.spread), units.centre);
  for (at::Tensor last : {parts[4].second, parts[5].second}) last.mul_(units.size);
}

class Minibatches {
 public:
  Minibatches(const Samples& samples, std::uint64_t seed)
      : samples_(samples),
        random_(seed, RandomStream::distillation),
        chosen_(at::empty({kBatch}, at::kLong)) {}

  Samples draw(std::int64_t step) {
    const auto count = static_cast<std::uint64_t>(samples_.target.size(0));
    auto* chosen = chosen_.mutable_data_ptr<std::int64_t>();
    for (std::int64_t b = 0; b < kBatch; ++b) {
      chosen[b] = static_cast<std::int64_t>(
          random_.below(count, static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(b)));
    }
    return {samples_.input.index_select(0, chosen_), samples_.target.index_select(0, chosen_)};
  }

 private:
  const Samples& samples_;
  Philox random_;
  at::Tensor chosen_;
};

/// Adam on the mean square of the error, at a rate that falls to 0 along a cosine.
class Descent {
 public:
  Descent(Mlp& mlp, Samples samples, std::uint64_t seed)
      : mlp_(mlp),
        samples_(std::move(samples)),
        minibatches_(samples_, seed),
        adam_(mlp.parameters()),
        gradient_(at::zeros_like(mlp.parameters())) {}
  Descent(const Descent&) = delete;

  void step(std::int64_t step) {
    const Samples batch = minibatches_.draw(step);
    Mlp::Tape tape;
    const at::Tensor error = mlp_.forward(batch.input, tape) - batch.target;
    mlp_.backward(tape, 0, error * (2.0 / kBatch), gradient_.zero_());
    const double passed = static_cast<double>(step) / static_cast<double>(kSteps);
    const double rate = kLearningRate * (1 + std::cos(std::numbers::pi * passed)) / 2;
    adam_.step(mlp_.parameters(), gradient_, factors_at(rate, step + 1));
  }

 private:
  Mlp& mlp_;
  Samples samples_;
  Minibatches minibatches_;
  Adam adam_;
  at::Tensor gradient_;
};

Samples psi_samples(const RecoveredModel& model, const SplineAxis& axis) {
  std::vector<double> x = points_of(axis, kPsiPoints);
  std::vector<double> psi = model.psi(x);
  return {at::from_blob(x.data(), {kPsiPoints, 1}, at::kDouble).to(at::kFloat),
          at::from_blob(psi.data(), {kPsiPoints}, at::kDouble).to(at::kFloat)};
}

/// At most kNeurons neurons, evenly spaced over the assembly.
std::vector<GlobalRow> chosen_neurons(std::int64_t neurons) {
  const std::int64_t count = std::min(neurons, kNeurons);
  std::vector<GlobalRow> chosen;
  for (std::int64_t k = 0; k < count; ++k) chosen.push_back(GlobalRow{k * neurons / count});
  return chosen;
}

/// Inputs and value of phi of one own neuron, (x, a_0, a_1, phi) a point.
std::vector<float> records_of(const RecoveredModel& model, LocalRow row, std::span<const double> x) {
  const std::vector<double> a = model.embedding();
  const std::vector<double> phi = model.phi(row, 1, x);
  const auto at = static_cast<std::size_t>(2 * index(row));
  std::vector<float> records;
  for (std::size_t k = 0; k < x.size(); ++k) {
    for (const double value : {x[k], a[at], a[at + 1], phi[k]}) records.push_back(static_cast<float>(value));
  }
  return records;
}

/// @collective over `group`, the ranks of a replica.
Samples phi_samples(Communicator& group, const RecoveredModel& model, const SplineAxis& axis) {
  const std::vector<double> x = points_of(axis, kPhiPoints);
  const std::vector<GlobalRow> chosen = chosen_neurons(model.partition().rows());
  std::vector<std::int64_t> counts(static_cast<std::size_t>(group.size()));
  std::vector<float> own;
  for (const GlobalRow neuron : chosen) {
    const int owner = model.partition().owner(neuron);
    counts[static_cast<std::size_t>(owner)] += 4 * kPhiPoints;
    if (owner != model.shard()) continue;
    const std::vector<float> records = records_of(model, model.partition().local(neuron), x);
    own.insert(own.end(), records.begin(), records.end());
  }
  const at::Tensor all = at::empty({std::ssize(chosen) * kPhiPoints, 4}, at::kFloat);
  const std::span gathered(all.mutable_data_ptr<float>(), static_cast<std::size_t>(all.numel()));
  group.all_gather(std::span(own), gathered, counts).wait();
  return {all.narrow(1, 0, 3).contiguous(), all.select(1, 3).contiguous()};
}

/// How far the network is from the samples, relative to their rms.
double relative_error(const Mlp& mlp, const Samples& samples) {
  return rms(mlp.forward(samples.input) - samples.target) / size_of(samples);
}

/// Fits the network, initialised, to the samples; returns its error. Too little work to share out: rank 0
/// does it for all. @collective over `world`
double fit(Communicator& world, Mlp& mlp, const Samples& samples, const SplineAxis& axis, std::uint64_t seed,
           const BetweenSteps& between) {
  const Units units = units_of(axis, samples);
  std::optional<Descent> descent;
  if (world.rank() == 0) descent.emplace(mlp, in_units(samples, units), seed);
  for (std::int64_t first = 0; first < kSteps; first += kStepsAtATime) {
    for (std::int64_t k = 0; k < kStepsAtATime && descent; ++k) descent->step(first + k);
    between();
  }
  if (descent) to_plain_units(mlp, units);
  at::Tensor& parameters = mlp.parameters();
  world
      .broadcast(
          std::span(parameters.mutable_data_ptr<float>(), static_cast<std::size_t>(parameters.numel())), 0)
      .wait();
  return gather_numbers(world, relative_error(mlp, samples)).front();
}

}  // namespace

Distilled distil(const ProcessGrid& grid, const SplineNetwork& network, std::uint64_t seed,
                 const BetweenSteps& between) {
  Distilled distilled{Mlp(1, at::kFloat), Mlp(3, at::kFloat)};
  distilled.psi.initialise(Philox(seed, RandomStream::initial_psi));
  distilled.phi.initialise(Philox(seed, RandomStream::initial_phi));
  const c10::InferenceMode guard;
  const std::unique_ptr<RecoveredModel> model = recovered(network);
  distilled.psi_rms_error =
      fit(grid.world(), distilled.psi, psi_samples(*model, network.axis), network.axis, seed, between);
  distilled.phi_rms_error = fit(grid.world(), distilled.phi, phi_samples(grid.rows(), *model, network.axis),
                                network.axis, seed, between);
  return distilled;
}

}  // namespace weft
