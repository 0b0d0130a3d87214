#include "weft/train/psi_search.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>

#include "support/mpi_main.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

/// A search on all ranks of the test, which hold the rows of one replica.
struct Searched {
  explicit Searched(const WiredAssembly& assembly, PsiSearchOptions options = {},
                    std::vector<std::int64_t> groups = {}) {
    const c10::InferenceMode guard;
    const ProcessGrid grid(test_world(), 1);
    const RowPartition partition(assembly.activity.size(1), grid.shards());
    TrainingData data = assembly.data(partition, grid.shard());
    const TrainingFrames frames = data.frames;
    const NeuronSignals signals = make_signals(grid.rows(), std::move(data), std::move(groups));
    Unattended nobody;
    WorkLog log(nobody);
    options.form.type = at::kDouble;
    options.seed = 3;
    axis = signals.axis;
    splines = options.psi_splines;
    PsiSearchState state;
    find_psi(
        grid, signals, choose_frames(grid.rows(), signals, frames, false), options, state, [] {}, log);
    result = std::move(state.result);
  }
  double psi_at(std::int64_t group, double x) const {
    const std::span<const double> all(result.psi);
    const auto own =
        all.subspan(static_cast<std::size_t>(group * splines), static_cast<std::size_t>(splines));
    return UniformSplines(splines).value(own, axis.coordinate(x));
  }
  std::int64_t evaluations() const { return std::ssize(result.residuals); }

  SplineAxis axis;
  std::int64_t splines = 0;
  PsiSearchResult result;
};

/// Over the activity of a group's neurons.
struct Moments {
  double mean = 0, variance = 0,
         slope = 0;  ///< of psi, and its covariance with the coordinate of the splines

  Moments(const Searched& searched, const WiredAssembly& assembly, std::int64_t group) {
    std::vector<double> psi, v;
    const at::Tensor activity = assembly.activity.t().contiguous();
    for (std::int64_t j = 0; j < activity.size(0); ++j) {
      if (assembly.group[static_cast<std::size_t>(j)] != group) continue;
      const double* const x = activity.const_data_ptr<double>() + j * activity.size(1);
      for (std::int64_t t = 0; t < activity.size(1); ++t) {
        psi.push_back(searched.psi_at(group, x[t]));
        v.push_back(searched.axis.coordinate(x[t]));
      }
    }
    const auto count = static_cast<double>(psi.size());
    for (const double value : psi) mean += value / count;
    for (std::size_t k = 0; k < psi.size(); ++k) {
      variance += (psi[k] - mean) * (psi[k] - mean) / count;
      slope += (psi[k] - mean) * v[k] / count;
    }
  }
};

TEST(FindPsi, LowersTheResidualToAFloorAndStops) {
  const WiredAssembly assembly({});
  const Searched searched(assembly);
  EXPECT_GT(searched.result.residuals.front(), 1e-2);
  EXPECT_LT(searched.result.residual(), 1e-5);
  EXPECT_LT(searched.evaluations(), 12);
  EXPECT_EQ(searched.result.dampings.size(), searched.result.residuals.size());
  EXPECT_EQ(std::ssize(searched.result.rows), 32);
}

TEST(FindPsi, FindsThePsiOfTheAssembly) {
  const WiredAssembly assembly({});
  const Searched searched(assembly);
  const double slope = (searched.psi_at(0, 10) - searched.psi_at(0, -10)) / (2 * std::tanh(10));
  const double middle = searched.psi_at(0, 0);
  for (double x = -20; x <= 20; x += 0.5)
    EXPECT_NEAR((searched.psi_at(0, x) - middle) / slope, std::tanh(x), 1e-3) << "x = " << x;
}

TEST(FindPsi, NormalisesPsiOverTheData) {
  const auto falling = [](double x) { return -3 * std::tanh(x) + 2; };
  const auto steep = [](double x) { return 0.2 * std::tanh(3 * x) - 1; };
  const WiredAssembly assembly({.frames = 1200, .psi = {falling, steep}});
  const Searched searched(assembly, {}, assembly.group);
  for (std::int64_t g = 0; g < 2; ++g) {
    const Moments moments(searched, assembly, g);
    EXPECT_NEAR(moments.mean, 0, 0.02) << "group " << g;
    EXPECT_NEAR(moments.variance, 1, 0.03) << "group " << g;
    EXPECT_GT(moments.slope, 0) << "group " << g;
    EXPECT_GT(searched.psi_at(g, 5), searched.psi_at(g, -5) + 1) << "group " << g;
  }
}

TEST(FindPsi, StopsAtTheNoiseOfTheDerivative) {
  WiredAssembly assembly({.neurons = 66, .frames = 1000});
  const double noise = std::pow(assembly.derivative.std().item<double>(), 2) / 10;
  assembly.add_derivative_noise(10);
  const Searched searched(assembly);
  EXPECT_EQ(std::ssize(searched.result.rows), 64);
  EXPECT_LT(searched.evaluations(), 16);
  // What is left is the noise, by chi squared: neither psi's misfit on top of it, nor less than was put in.
  const double left = searched.result.residual_squares / searched.result.degrees_of_freedom;
  EXPECT_NEAR(left, noise, 0.02 * noise);
}

/// How far psi is from a line in tanh over the data, root mean square, relative to its deviation.
double actual_error(const Searched& searched, const WiredAssembly& assembly) {
  const at::Tensor truth = assembly.activity.tanh().reshape({-1});
  at::Tensor found = assembly.activity.reshape({-1}).clone();
  double* const values = found.mutable_data_ptr<double>();
  for (std::int64_t k = 0; k < found.numel(); ++k) values[k] = searched.psi_at(0, values[k]);
  const at::Tensor t = truth - truth.mean();
  const at::Tensor f = found - found.mean();
  const at::Tensor rest = f - t * ((f * t).sum() / t.square().sum());
  return std::sqrt((rest.square().sum() / f.square().sum()).item<double>());
}

TEST(FindPsi, KnowsHowFarItIsFromTheTruth) {
  for (const double snr : {10.0, 30.0}) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      WiredAssembly assembly({.neurons = 66, .frames = 1000, .seed = seed});
      assembly.add_derivative_noise(snr);
      const Searched searched(assembly);
      const double actual = actual_error(searched, assembly);
      EXPECT_LT(actual, 2 * searched.result.psi_error) << snr << " dB, seed " << seed;
      EXPECT_GT(actual, searched.result.psi_error / 2) << snr << " dB, seed " << seed;
    }
  }
}

double bump(double x) { return std::exp(-x * x / 8); }
double wave(double x) { return std::sin(x / 3); }

TEST(FindPsi, RetriesARejectedStepShorterFromTheBestPoint) {
  // The search begins with a rising line, which tells little of these.
  for (const auto psi : {bump, wave}) {
    const WiredAssembly assembly({.psi = {psi}});
    const PsiSearchResult result = Searched(assembly).result;
    std::int64_t retries = 0;
    for (std::size_t k = 1; k + 1 < result.residuals.size(); ++k) {
      if (result.dampings[k + 1] <= result.dampings[k]) continue;
      ++retries;
      EXPECT_NEAR(result.dampings[k + 1], 30 * result.dampings[k], 1e-6 * result.dampings[k + 1]);
      EXPECT_GT(result.residuals[k], result.residuals[k - 1]);
    }
    EXPECT_GE(retries, 1);
    EXPECT_EQ(result.rejected_steps, retries);
    EXPECT_LT(result.residual(), 0.01 * result.residuals.front());
    EXPECT_LE(result.residual(), 1.000001 * result.residuals.back());
  }
}

}  // namespace
}  // namespace weft
