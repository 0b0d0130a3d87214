#include "weft/kernels/simulation_step.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "weft/core/philox.hpp"
#include "weft/kernels/kernels.hpp"
#include "weft/sim/neuron_types.hpp"

#include "golden.hpp"
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/simulation_step.hpp"
#include "on_gpu.hpp"

namespace weft {
namespace {

/// What steps: the host's kernels, or those of a GPU, with so many rows of W to a warp (0: as they choose). A
/// program for a GPU has the latter alone, as that GPU runs them.
struct Variant {
  std::string name;
  bool cuda = false;
  int rows_per_warp = 0;

#if defined(WEFT_ON_GPU)
  void step(const SimulationStep& step) const { on_gpu::simulation_step(step); }
  void set_counter(auto... arguments) const { on_gpu::set_counter(arguments...); }
  void advance_counter(auto... arguments) const { on_gpu::advance_counter(arguments...); }
  void order_by_trajectory(auto... arguments) const { on_gpu::order_by_trajectory(arguments...); }
#else
  void step(const SimulationStep& step) const {
    if (rows_per_warp > 0)
      cuda::simulation_step(step, rows_per_warp, nullptr);
    else
      kernels().simulation_step(step);
  }
  void set_counter(auto... arguments) const { kernels().set_counter(arguments...); }
  void advance_counter(auto... arguments) const { kernels().advance_counter(arguments...); }
  void order_by_trajectory(auto... arguments) const { kernels().order_by_trajectory(arguments...); }

  const Kernels& kernels() const {
    static const std::unique_ptr<Kernels> of_gpu = cuda_kernels(nullptr);
    return cuda ? *of_gpu : host_kernels();
  }
#endif
};

const Variant kHost{"Host"}, kCuda{"Cuda", true};

#if defined(WEFT_ON_GPU)
const auto kVariants = testing::Values(kCuda);
const auto kSameBits = testing::Values(std::vector{kCuda});
const auto kManyRows = testing::Values(3200, 6400, 12800);  // 2, 4 and 8 to a warp
/// Between activities whose sums have the same order, and their tanh: a GPU rounds tanh, log and cos in its
/// own way.
constexpr double kSameSums = 1e-5;
#else
const auto kVariants = testing::Values(kHost, kCuda);
const auto kSameBits =
    testing::Values(std::vector{kHost}, std::vector{kCuda, Variant{"", true, 1}, Variant{"", true, 2},
                                                    Variant{"", true, 4}, Variant{"", true, 8}});
const auto kManyRows = testing::Values(3200);
constexpr double kSameSums = 0;
#endif

constexpr double kDt = 0.05;
constexpr double kDeviation = 0.1;
constexpr float kUntouched = 77;

const Philox& step_noise() {
  static const Philox random(7, RandomStream::process_noise);
  return random;
}

std::vector<float> normals(std::uint64_t stream, std::int64_t count, double deviation) {
  const Philox random(3, RandomStream::initial_state);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t k = 0; k < values.size(); ++k)
    values[k] = static_cast<float>(deviation * random.normal(stream, k));
  return values;
}

std::vector<float> tanh_of(const std::vector<float>& x) {
  std::vector<float> out;
  for (const float value : x) out.push_back(std::tanh(value));
  return out;
}

/// A whole assembly: W, what the neurons are, and where they start.
struct Assembly {
  Assembly(std::int64_t n, std::int64_t s) : Assembly(n, s, n) {}
  /// Whose W has the same rows again after so many.
  Assembly(std::int64_t n, std::int64_t s, std::int64_t different_rows)
      : neurons(n),
        trajectories(s),
        w(normals(0, different_rows * n, 1 / std::sqrt(static_cast<double>(n)))),
        x(normals(1, s * n, 5)) {
    for (std::int64_t i = 0; i < n; ++i) {
      parameters.gain.push_back(10.0F - 0.1F * static_cast<float>(i % 7));
      parameters.self_coupling.push_back(0.5F + 0.2F * static_cast<float>(i % 5));
      parameters.decay.push_back(1.0F + 0.3F * static_cast<float>(i % 3));
    }
  }
  /// The reference's, at states (S x N).
  Assembly(const GoldenRun& run, std::vector<float> states)
      : neurons(GoldenRun::kNeurons),
        trajectories(static_cast<std::int64_t>(states.size()) / neurons),
        w(run.connectivity),
        x(std::move(states)),
        parameters(run.parameters) {}

  const float* row(std::int64_t i) const { return &w[i * neurons % std::ssize(w)]; }

  std::int64_t neurons, trajectories;
  std::vector<float> w;  ///< its different rows
  std::vector<float> x;  ///< (S x N)
  NeuronParameters parameters;
};

/// Activities and derivatives of all steps, (steps x S x N).
struct Recording {
  std::vector<float> x, derivative;
  bool operator==(const Recording&) const = default;
};

/// Equation 2 in double precision, one product after the other.
struct SlowRecording {
  std::vector<double> x, derivative;
};
SlowRecording slow(const Assembly& assembly, std::int64_t steps) {
  const std::int64_t n = assembly.neurons;
  const NeuronParameters& p = assembly.parameters;
  SlowRecording recording;
  std::vector<double> x(assembly.x.begin(), assembly.x.end()), f(x.size());
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::int64_t s = 0; s < assembly.trajectories; ++s) {
      for (std::int64_t i = 0; i < n; ++i) {
        double input = 0;
        for (std::int64_t j = 0; j < n; ++j) input += assembly.w[i * n + j] * std::tanh(x[s * n + j]);
        const double own = x[s * n + i];
        f[s * n + i] = -p.decay[i] * own + p.self_coupling[i] * std::tanh(own) + p.gain[i] * input;
      }
    }
    recording.x.insert(recording.x.end(), x.begin(), x.end());
    recording.derivative.insert(recording.derivative.end(), f.begin(), f.end());
    for (std::size_t k = 0; k < x.size(); ++k)
      x[k] += kDt * f[k] + kDeviation * step_noise().normal(static_cast<std::uint64_t>(step), k);
  }
  return recording;
}

/// How the rows of W lie in memory.
struct Layout {
  std::int64_t padding = 0;  ///< columns between rows
  std::int64_t shift = 0;    ///< from an aligned address
};

/// One rank's part of the simulation.
class RankPart {
 public:
  RankPart(const Variant& variant, const Assembly& assembly, std::int64_t begin, std::int64_t own,
           std::int64_t capacity, const Layout& layout = {})
      : variant_(variant),
        activity(static_cast<std::size_t>(assembly.trajectories * capacity * own), kUntouched),
        derivative(activity) {
    const std::int64_t n = assembly.neurons, stride = n + layout.padding;
    // What is no entry of W must not be used: it would make sums NaN.
    w_.assign(static_cast<std::size_t>(own * stride + layout.shift), NAN);
    for (std::int64_t i = 0; i < own; ++i)
      std::copy_n(assembly.row(begin + i), n, w_.begin() + layout.shift + i * stride);
    for (std::int64_t s = 0; s < assembly.trajectories; ++s)
      x.insert(x.end(), assembly.x.begin() + s * n + begin, assembly.x.begin() + s * n + begin + own);
    step_ = {.w = {w_.data() + layout.shift, own, n, stride},
             .first_row = begin,
             .trajectories = assembly.trajectories,
             .gain = assembly.parameters.gain.data() + begin,
             .self_coupling = assembly.parameters.self_coupling.data() + begin,
             .decay = assembly.parameters.decay.data() + begin,
             .x = x.data(),
             .dt = kDt,
             .deviation = kDeviation,
             .random = step_noise(),
             .frames = {activity.data(), derivative.data(), capacity}};
  }
  RankPart(const RankPart&) = delete;
  RankPart& operator=(const RankPart&) = delete;

  void advance(const SimulationCounter& counter, const float* tanh_all, float* tanh_next,
               std::int64_t tanh_stride) {
    step_.counter = &counter;
    step_.tanh_all = tanh_all;
    step_.tanh_next = tanh_next;
    step_.tanh_stride = tanh_stride;
    variant_.step(step_);
  }
  SimulationStep& step() { return step_; }
  std::int64_t own() const { return step_.w.rows; }

 private:
  Variant variant_;
  std::vector<float> w_;
  SimulationStep step_{.w = {}, .random = step_noise(), .frames = {}};

 public:
  std::vector<float> x, activity, derivative;
};

/// (S x steps x own) blocks of the parts, put together as (steps x S x N).
std::vector<float> put_together(const Assembly& assembly, const std::vector<std::unique_ptr<RankPart>>& parts,
                                std::int64_t steps, std::vector<float> RankPart::*frames) {
  std::vector<float> out;
  for (std::int64_t t = 0; t < steps; ++t)
    for (std::int64_t s = 0; s < assembly.trajectories; ++s)
      for (const auto& part : parts) {
        const auto from = ((*part).*frames).begin() + (s * steps + t) * part->own();
        out.insert(out.end(), from, from + part->own());
      }
  return out;
}

/// On ranks that own `sizes` neurons, with what they gather from each other.
Recording on_ranks(const Variant& variant, const Assembly& assembly, const std::vector<std::int64_t>& sizes,
                   std::int64_t steps) {
  const std::int64_t s = assembly.trajectories;
  std::vector<std::unique_ptr<RankPart>> parts;
  std::vector<std::int64_t> begins{0};
  for (const std::int64_t own : sizes) {
    parts.push_back(std::make_unique<RankPart>(variant, assembly, begins.back(), own, steps));
    begins.push_back(begins.back() + own);
  }
  std::vector<float> tanh_all = tanh_of(assembly.x), gathered(tanh_all.size());
  SimulationCounter counter;
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::size_t rank = 0; rank < parts.size(); ++rank)
      parts[rank]->advance(counter, tanh_all.data(), gathered.data() + s * begins[rank], sizes[rank]);
    variant.order_by_trajectory(gathered.data(), begins.data(), static_cast<int>(sizes.size()), s,
                                assembly.neurons, tanh_all.data());
    variant.advance_counter(&counter);
  }
  return {put_together(assembly, parts, steps, &RankPart::activity),
          put_together(assembly, parts, steps, &RankPart::derivative)};
}

/// On one rank, with tanh double-buffered.
Recording on_one_rank(const Variant& variant, const Assembly& assembly, std::int64_t steps) {
  std::vector<std::unique_ptr<RankPart>> parts;
  parts.push_back(std::make_unique<RankPart>(variant, assembly, 0, assembly.neurons, steps));
  std::vector<float> now = tanh_of(assembly.x), next(now.size(), kUntouched);
  SimulationCounter counter;
  for (std::int64_t step = 0; step < steps; ++step) {
    parts[0]->advance(counter, now.data(), next.data(), assembly.neurons);
    std::swap(now, next);
    variant.advance_counter(&counter);
  }
  return {put_together(assembly, parts, steps, &RankPart::activity),
          put_together(assembly, parts, steps, &RankPart::derivative)};
}

template <typename T>
void expect_near(const std::vector<float>& actual, const std::vector<T>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t k = 0; k < actual.size(); ++k)
    ASSERT_NEAR(actual[k], expected[k], tolerance) << "at " << k;
}

std::string name_of(const testing::TestParamInfo<Variant>& variant) { return variant.param.name; }

class SimulationStepOf : public testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(Kernels, SimulationStepOf, kVariants, name_of);

TEST_P(SimulationStepOf, IsEquation2) {
  constexpr std::int64_t kSteps = 20;
  for (const std::int64_t neurons : {1, 33, 130}) {
    for (const std::int64_t trajectories : {1, 3, 9}) {
      SCOPED_TRACE(testing::Message() << neurons << " neurons, " << trajectories << " trajectories");
      const Assembly assembly(neurons, trajectories);
      const Recording recording = on_one_rank(GetParam(), assembly, kSteps);
      const SlowRecording expected = slow(assembly, kSteps);
      expect_near(recording.x, expected.x, 1e-4);
      expect_near(recording.derivative, expected.derivative, 1e-3);
    }
  }
}

#if !defined(WEFT_ON_GPU)  // it rounds tanh, log and cos in its own way
/// Where sums have one term each, their order does not matter, and nothing else differs.
TEST(SimulationStep, OnAGpuHasTheHostsBitsButForTheOrderOfSums) {
  Assembly assembly(97, 9);
  for (std::int64_t i = 0; i < assembly.neurons; ++i)
    for (std::int64_t j = 0; j < assembly.neurons; ++j)
      if (j != (5 * i + 3) % assembly.neurons) assembly.w[i * assembly.neurons + j] = 0;
  EXPECT_EQ(on_one_rank(kCuda, assembly, 20), on_one_rank(kHost, assembly, 20));
}
#endif

TEST_P(SimulationStepOf, IsTheSameForAnySplitOfRows) {
  for (const std::int64_t trajectories : {3, 9}) {
    const Assembly assembly(97, trajectories);
    const Recording whole = on_one_rank(GetParam(), assembly, 3);
    for (const std::int64_t own : {7, 32, 97}) {
      std::vector<std::int64_t> sizes(static_cast<std::size_t>(97 / own), own);
      if (97 % own != 0) sizes.push_back(97 % own);
      EXPECT_EQ(on_ranks(GetParam(), assembly, sizes, 3), whole) << own << " rows a rank";
    }
    EXPECT_EQ(on_ranks(GetParam(), assembly, {40, 1, 56}, 3), whole);
  }
}

/// What the first step makes of x of own neurons from `begin` on, (S x own), in double precision.
std::vector<double> slow_step(const Assembly& assembly, const std::vector<float>& tanh_all,
                              std::int64_t begin, std::int64_t own) {
  const std::int64_t n = assembly.neurons;
  const NeuronParameters& p = assembly.parameters;
  std::vector<double> stepped;
  for (std::int64_t s = 0; s < assembly.trajectories; ++s) {
    for (std::int64_t i = begin; i < begin + own; ++i) {
      double input = 0;
      for (std::int64_t j = 0; j < n; ++j)
        input += static_cast<double>(assembly.row(i)[j]) * tanh_all[s * n + j];
      const std::int64_t item = s * n + i;
      const double derivative =
          -p.decay[i] * assembly.x[item] + p.self_coupling[i] * tanh_all[item] + p.gain[i] * input;
      stepped.push_back(assembly.x[item] + kDt * derivative +
                        kDeviation * step_noise().normal(0, static_cast<std::uint64_t>(item)));
    }
  }
  return stepped;
}

/// Over several chunks of columns and a part of one.
class SimulationStepLayout : public testing::TestWithParam<std::vector<Variant>> {};
INSTANTIATE_TEST_SUITE_P(Kernels, SimulationStepLayout, kSameBits,
                         [](const auto& variants) { return variants.param.front().name; });

TEST_P(SimulationStepLayout, OfRowsChangesNothing) {
  constexpr std::int64_t kNeurons = 1163, kOwn = 11;
  for (const std::int64_t trajectories : {1, 4, 8, 9}) {
    const Assembly assembly(kNeurons, trajectories);
    const std::vector<float> tanh_all = tanh_of(assembly.x);
    std::vector<float> reference;
    for (const Variant& variant : GetParam()) {
      for (const Layout& layout : {Layout{0, 0}, Layout{1, 0}, Layout{1, 1}, Layout{1, 4}}) {
        RankPart part(variant, assembly, 200, kOwn, 1, layout);
        std::vector<float> tanh_next(static_cast<std::size_t>(trajectories * kOwn));
        part.advance({}, tanh_all.data(), tanh_next.data(), kOwn);
        if (reference.empty()) reference = part.x;
        EXPECT_EQ(part.x, reference) << variant.rows_per_warp << " rows a warp, padding " << layout.padding
                                     << ", shift " << layout.shift;
        expect_near(tanh_next, tanh_of(part.x), kSameSums);
      }
    }
    expect_near(reference, slow_step(assembly, tanh_all, 200, kOwn), 1e-5);
  }
}

/// Of more rows than there are blocks for with one row a warp: the kernels give a warp several.
class SimulationStepOfManyRows : public testing::TestWithParam<int> {
 protected:
  /// x of own neurons after the first step, (S x own).
  static std::vector<float> stepped(const Assembly& assembly, const std::vector<float>& tanh_all,
                                    std::int64_t begin, std::int64_t own, const Layout& layout = {}) {
    RankPart part(kCuda, assembly, begin, own, 1, layout);
    std::vector<float> tanh_next(part.x.size());
    part.advance({}, tanh_all.data(), tanh_next.data(), own);
    expect_near(tanh_next, tanh_of(part.x), kSameSums);
    return std::move(part.x);
  }
};
INSTANTIATE_TEST_SUITE_P(Rows, SimulationStepOfManyRows, kManyRows, testing::PrintToStringParamName());

TEST_P(SimulationStepOfManyRows, IsThatOfFew) {
  const std::int64_t own = GetParam(), neurons = own + 3;
  constexpr std::int64_t kFew = 50;
  for (const std::int64_t trajectories : {8, 9}) {
    const Assembly assembly(neurons, trajectories, 101);
    const std::vector<float> tanh_all = tanh_of(assembly.x);
    std::vector<float> expected(static_cast<std::size_t>(trajectories * own));
    for (std::int64_t begin = 0; begin < own; begin += kFew) {
      const std::vector<float> few = stepped(assembly, tanh_all, begin, kFew);
      if (begin == 0) expect_near(few, slow_step(assembly, tanh_all, 0, kFew), 1e-5);
      for (std::int64_t s = 0; s < trajectories; ++s)
        std::copy_n(few.begin() + s * kFew, kFew, expected.begin() + s * own + begin);
    }
    for (const Layout& layout : {Layout{0, 0}, Layout{1, 0}})
      EXPECT_TRUE(stepped(assembly, tanh_all, 0, own, layout) == expected)
          << trajectories << " trajectories, padding " << layout.padding;
  }
}

TEST_P(SimulationStepOf, RecordsWhereTheCounterSays) {
  const Assembly assembly(33, 2);
  constexpr std::int64_t kCapacity = 3, kOwn = 5;
  RankPart part(GetParam(), assembly, 20, kOwn, kCapacity);
  const std::vector<float> before = part.x, tanh_all = tanh_of(assembly.x);
  std::vector<float> tanh_next(2 * kOwn);
  SimulationCounter counter;
  GetParam().set_counter(&counter, SimulationCounter{.step = std::uint64_t{1} << 40, .frame = 0});
  GetParam().advance_counter(&counter);
  EXPECT_EQ(counter.step, (std::uint64_t{1} << 40) + 1);
  EXPECT_EQ(counter.frame, 1);
  part.advance(counter, tanh_all.data(), tanh_next.data(), kOwn);

  for (std::int64_t s = 0; s < 2; ++s) {
    for (std::int64_t frame = 0; frame < kCapacity; ++frame) {
      for (std::int64_t i = 0; i < kOwn; ++i) {
        const std::int64_t at = (s * kCapacity + frame) * kOwn + i, own = s * kOwn + i;
        if (frame != 1) {
          EXPECT_EQ(part.activity[at], kUntouched);
          EXPECT_EQ(part.derivative[at], kUntouched);
          continue;
        }
        EXPECT_EQ(part.activity[at], before[own]);
        const float step = static_cast<float>(kDt) * part.derivative[at];
        const auto item = static_cast<std::uint64_t>(s * 33 + 20 + i);
        const auto noise = static_cast<float>(kDeviation * step_noise().normal(counter.step, item));
        EXPECT_NEAR(part.x[own], (before[own] + step) + noise, kSameSums);
      }
    }
  }
}

TEST_P(SimulationStepOf, NeedsNoNoise) {
  const Assembly assembly(33, 2);
  const std::vector<float> tanh_all = tanh_of(assembly.x);
  std::vector<float> tanh_next(66);
  RankPart part(GetParam(), assembly, 0, 33, 1);
  part.step().deviation = 0;
  part.advance({}, tanh_all.data(), tanh_next.data(), 33);
  for (std::size_t k = 0; k < part.x.size(); ++k) {
    const float step = static_cast<float>(kDt) * part.derivative[k];
    EXPECT_EQ(part.x[k], assembly.x[k] + step) << k;
  }
}

TEST_P(SimulationStepOf, OrdersWhatWasGathered) {
  const std::vector<std::int64_t> begins{0, 4, 5, 300, 301};
  constexpr std::int64_t kTrajectories = 3, kNeurons = 301;
  std::vector<float> gathered, expected(kTrajectories * kNeurons), actual(expected.size());
  for (std::size_t rank = 0; rank + 1 < begins.size(); ++rank) {
    for (std::int64_t s = 0; s < kTrajectories; ++s) {
      for (std::int64_t i = begins[rank]; i < begins[rank + 1]; ++i) {
        gathered.push_back(static_cast<float>(s * kNeurons + i));
        expected[s * kNeurons + i] = gathered.back();
      }
    }
  }
  GetParam().order_by_trajectory(gathered.data(), begins.data(), 4, kTrajectories, kNeurons, actual.data());
  EXPECT_EQ(actual, expected);
}

constexpr std::size_t kRow = GoldenRun::kNeurons;

/// A step without noise from `assembly.x`, all neurons on one rank.
class GoldenStep {
 public:
  GoldenStep(const Variant& variant, const Assembly& assembly)
      : part_(variant, assembly, 0, assembly.neurons, 1) {
    part_.step().dt = GoldenRun::kDt;
    part_.step().deviation = 0;
    const std::vector<float> tanh_all = tanh_of(assembly.x);
    std::vector<float> tanh_next(tanh_all.size());
    part_.advance({}, tanh_all.data(), tanh_next.data(), assembly.neurons);
  }
  const std::vector<float>& derivative() const { return part_.derivative; }
  /// The noise is added last, so that it may as well be added here.
  std::vector<float> x(const float* noise) const {
    std::vector<float> x = part_.x;
    for (float& value : x) value += *noise++;
    return x;
  }

 private:
  RankPart part_;
};

class GoldenDynamics : public testing::TestWithParam<std::tuple<Variant, const char*>> {
 protected:
  const Variant& variant() const { return std::get<0>(GetParam()); }
  const GoldenRun run{std::get<1>(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(OfTheReference, GoldenDynamics,
                         testing::Combine(kVariants, testing::Values("noise_free", "noise_1")),
                         [](const auto& run) {
                           return std::get<0>(run.param).name + "_" + std::get<1>(run.param);
                         });

// The reference's own float32 and float64 derivatives differ by up to 1.4e-5; so may two float32 ones, twice
// over.
TEST_P(GoldenDynamics, DerivativesAtTheStoredFramesAgree) {
  const GoldenStep step(variant(), Assembly(run, run.activity));
  expect_near(step.derivative(), run.derivative_float64, 2e-5);
  expect_near(step.derivative(), run.derivative, 4e-5);
}

// Float32 and float64 trajectories of the reference differ by 1.2e-5 (no noise) and 1.7e-5 after 200 steps.
TEST_P(GoldenDynamics, TheTrajectoryFromTheStoredStartAgrees) {
  std::vector<float> x(run.activity.begin(), run.activity.begin() + kRow), all = x;
  for (std::size_t t = 0; t + 1 < GoldenRun::kFrames; ++t) {
    x = GoldenStep(variant(), Assembly(run, x)).x(&run.noise[t * kRow]);
    all.insert(all.end(), x.begin(), x.end());
  }
  expect_near(all, run.activity_float64, 3e-5);
  expect_near(all, run.activity, 5e-5);
}

// Given the stored derivative, the step has the reference's order of operations, bit for bit. It is given as
// the weights of a neuron whose tanh is 1, to neurons that do nothing else.
TEST_P(GoldenDynamics, TheStepFromTheStoredDerivativeIsExact) {
  NeuronParameters nothing_else;
  nothing_else.gain.assign(kRow, 1);
  nothing_else.self_coupling.assign(kRow, 0);
  nothing_else.decay.assign(kRow, 0);
  for (std::size_t t = 0; t + 1 < GoldenRun::kFrames; ++t) {
    const auto at = static_cast<std::ptrdiff_t>(t * kRow), next = at + static_cast<std::ptrdiff_t>(kRow);
    Assembly assembly(run, {run.activity.begin() + at, run.activity.begin() + next});
    assembly.parameters = nothing_else;
    assembly.w.assign(kRow * kRow, 0);
    for (std::size_t i = 0; i < kRow; ++i) assembly.w[i * kRow] = run.derivative[t * kRow + i];
    RankPart part(variant(), assembly, 0, GoldenRun::kNeurons, 1);
    part.step().dt = GoldenRun::kDt;
    part.step().deviation = 0;
    std::vector<float> tanh_all(kRow, 0), tanh_next(kRow);
    tanh_all[0] = 1;
    part.advance({}, tanh_all.data(), tanh_next.data(), GoldenRun::kNeurons);
    for (std::size_t i = 0; i < kRow; ++i)
      ASSERT_EQ(part.x[i] + run.noise[t * kRow + i], run.activity[(t + 1) * kRow + i]) << "frame " << t;
  }
}

}  // namespace
}  // namespace weft
