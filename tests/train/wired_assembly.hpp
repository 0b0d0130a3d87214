#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/train/training_data.hpp"

namespace weft {

enum class Wiring { cauchy, gaussian, sparse };

/// An assembly to be found again: dx_i/dt = -x_i / tau_i + s_i tanh(x_i) + sum_j W_ij psi_g(j)(x_j), with
/// noise after each Euler step.
struct WiredOptions {
  std::int64_t neurons = 60;
  std::int64_t frames = 600;      ///< of all trajectories
  std::int64_t trajectories = 1;  ///< independent starts, one after the other
  std::int64_t burn_in = 300;
  double dt = 0.01;
  double noise = 1;
  std::int64_t types = 4;  ///< of different s and tau, in turn
  Wiring wiring = Wiring::cauchy;
  std::vector<std::function<double(double)>>
      psi{};  ///< one a group, neuron j in group j mod groups; none: tanh
  std::uint64_t seed = 1;
};

/// Simulated in double precision, plainly, the same on every rank.
struct WiredAssembly {
  explicit WiredAssembly(const WiredOptions& options);

  at::Tensor connectivity;  ///< W (N x N) float64, with the gain, zero diagonal
  at::Tensor activity;      ///< (frames x N) float64
  at::Tensor derivative;    ///< (frames x N) float64
  std::vector<std::int64_t> group;

  /// A shard's columns as load_training_data would give them.
  TrainingData data(const RowPartition& partition, int shard) const;
  /// White noise on the derivative, so many decibels below it.
  void add_derivative_noise(double snr_db);
  /// Forward differences in place of the derivative, without the last frame, of a single trajectory.
  void difference(double dt);
  /// Another series, (frames), for one neuron. The derivatives follow the equations; the activity of the
  /// others stays.
  void replace_activity(std::int64_t neuron, const at::Tensor& series);

 private:
  at::Tensor flow(const at::Tensor& x) const;
  void simulate(std::int64_t trajectory);

  WiredOptions options_;
  std::vector<std::int64_t> starts_;
  bool differences_ = false;
};

/// 1 - R^2 of W off the diagonal, without a fitted line; both (rows x N), `first` being the first row.
double lost_r2(const at::Tensor& found, const at::Tensor& truth, std::int64_t first);

}  // namespace weft
