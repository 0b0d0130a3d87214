#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/comm/communicator.hpp"

namespace weft {

/// A Gram matrix G = U' U, factored: all that the closed form asks of it. Other factorisations, or an
/// iteration that needs none, can stand behind it.
class GramFactor {
 public:
  virtual ~GramFactor() = default;

  /// b := b G^-1 for this rank's right-hand sides, the rows of b (any number x N), contiguous. @collective
  virtual void solve(at::Tensor& b) const = 0;
  /// Floating-point operations of so many right-hand sides.
  virtual double solve_flops(std::int64_t right_hand_sides) const = 0;
  /// (N) the squares of U's diagonal: how much of each column the columns before it leave. The same on every
  /// rank.
  virtual std::vector<double> pivots() const = 0;
  /// What was added to G's diagonal before it was factored.
  virtual double ridge() const = 0;
  /// (N) the diagonal of G^-1, the same on every rank. @collective
  virtual std::vector<double> inverse_diagonal() const = 0;
  /// U (N x N), row-major, the same on every rank, where it lies; only the upper triangle means anything.
  virtual const at::Tensor& upper() const = 0;
};

/// Every rank holds the whole factor; the work of making it is shared out. `gram` is the same on every rank,
/// (N x N) row-major, its upper triangle is read and its memory becomes the factor's. A ridge of 1e-6
/// (float64: 1e-12) of the mean diagonal is added, whose bias refinement removes; empty columns (a diagonal
/// of 0) are made to stand by themselves. Null, on all ranks, where the matrix is not positive definite to
/// working precision. @collective
std::unique_ptr<GramFactor> factor_gram(Communicator& world, at::Tensor gram);
/// A factor again, bit for bit, from its `upper` and `ridge`. Local.
std::unique_ptr<GramFactor> restore_factor(Communicator& world, at::Tensor upper, double ridge);
/// Floating-point operations of each of so many ranks.
double factor_flops(std::int64_t neurons, int ranks);

}  // namespace weft
