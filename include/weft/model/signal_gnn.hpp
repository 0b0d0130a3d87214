#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "weft/core/row_partition.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/model/mlp.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// The paper's graph neural network, y_i = phi*(a_i, x_i) + sum_j W_ij psi*(x_j), of which this rank holds
/// the rows of one shard; psi* and phi* are the same on every rank (Allier et al. 2026, equation 3). Plain
/// data. Local.
struct SignalGnn {
  RowPartition partition;
  int shard;
  at::Tensor connectivity;  ///< W, (rows x N) [post, pre], zero diagonal
  at::Tensor embedding;     ///< a, (rows x 2)
  Mlp psi;                  ///< input x_j
  Mlp phi;                  ///< input x_i, a_i0, a_i1

  /// The published initialisation: W standard normal with zero diagonal, a all ones. Keyed by global row, so
  /// that the model is the same whatever the number of shards.
  static SignalGnn initial(const RowPartition& partition, int shard, std::uint64_t seed, at::ScalarType type);
  /// To be filled: W is uninitialised, a all ones, psi and phi zero.
  static SignalGnn empty(const RowPartition& partition, int shard, at::ScalarType type);

  /// A copy on another device; itself where it is there already.
  SignalGnn to(at::Device device) const;

  std::int64_t rows() const { return partition.size(shard); }
  std::int64_t first_row() const { return partition.begin(shard); }

  /// The input of phi for a batch x of (B x rows): (B rows x 3), row b * rows + i holding x_bi, a_i.
  at::Tensor phi_input(const at::Tensor& x) const;
};

/// This shard's part of a checkpoint that the gradient trainer wrote, on however many ranks.
/// @throws UserError where an array is missing or of another shape.
SignalGnn load_signal_gnn(const Checkpoint& checkpoint, const RowPartition& partition, int shard);

/// A float32 network as evaluation sees it.
std::unique_ptr<RecoveredModel> recovered(SignalGnn model);

}  // namespace weft
