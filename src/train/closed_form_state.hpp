#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/core/row_partition.hpp"
#include "weft/io/checkpoint.hpp"
#include "weft/train/neuron_signals.hpp"
#include "weft/train/phi_shapes.hpp"
#include "weft/train/psi_search.hpp"
#include "weft/train/row_solver.hpp"
#include "weft/train/work_log.hpp"

namespace weft {

/// Where the closed form is: all that it needs, beside data and config, to go on.
struct ClosedFormState {
  std::int64_t points = 0;  ///< at which it could have been saved so far
  EquationForm form;
  std::vector<std::string> fallbacks;  ///< a line for each form that was given up
  WorkLog::Account work;
  std::int64_t phases_of_others = 1;  ///< of its phases: the making of the series, and the forms given up
  PsiSearchState search;
  PhiShapes shapes;  ///< once they are looked for; their `splines` is 0 before
  RowState rows;
};

/// What the arrays of a state are measured by.
struct ClosedFormShape {
  RowPartition partition;
  int shard = 0;
  std::int64_t psi_unknowns = 0;  ///< groups x K
  std::int64_t phi_splines = 0;   ///< M
};

/// A state as a checkpoint takes it, its arrays named state/..., with what was copied for them. Must not
/// outlive the state.
struct SavedState {
  ModelArrays arrays;
  std::deque<std::vector<double>> numbers;
  std::deque<std::vector<std::int64_t>> integers;
  std::deque<at::Tensor> tensors;
};

/// @collective over the row shards, for the tiles of a Gram matrix are shared out over them.
SavedState arrays_of_state(const ClosedFormState& state, const ClosedFormShape& shape);
/// The state again, on any ranks, its large arrays on the host. Local. @throws UserError where the checkpoint
/// holds none, or one of another problem.
ClosedFormState load_state(const Checkpoint& checkpoint, const ClosedFormShape& shape);

}  // namespace weft
