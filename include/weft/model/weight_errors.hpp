#pragma once

#include <cstdint>
#include <vector>

namespace weft {

/// What the data tell of a neuron's outgoing weights.
enum class PresynapticState : std::int64_t {
  heard = 0,      ///< its column of W is determined
  silent = 1,     ///< psi(x_j) hardly varies: the column is not identifiable and was set to 0
  saturated = 2,  ///< the errors of its column are over 1,000 times those of most others
};

/// The standard error of a weight, se(W_ij) = row[i] * column[j], and what else the closed form knows of each
/// neuron: var(W_ij) = sigma_i^2 (G^-1)_jj, with G the Gram matrix of psi(x). Values of this rank's rows, of
/// all columns. Plain data.
struct WeightErrors {
  std::vector<double> row;              ///< (rows) sigma_i, the standard deviation of y_i's residual
  std::vector<double> column;           ///< (N) infinite where silent
  std::vector<double> residual;         ///< (rows) rms residual of y_i over the rms of y_i's variation
  std::vector<PresynapticState> state;  ///< (N)
};

}  // namespace weft
