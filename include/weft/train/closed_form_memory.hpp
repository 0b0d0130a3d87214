#pragma once

#include <cstdint>

#include "weft/comm/process_grid.hpp"
#include "weft/train/neuron_signals.hpp"
#include "weft/train/psi_search.hpp"

namespace weft {

/// What decides how much memory the closed form takes.
struct ClosedFormSize {
  std::int64_t neurons = 0;       ///< N
  std::int64_t rows = 0;          ///< of W on this rank
  std::int64_t frames = 0;        ///< T, of the dataset
  std::int64_t psi_frames = 0;    ///< of the search for psi, on this rank's replica
  std::int64_t sampled_rows = 0;  ///< that psi is found from
  std::int64_t psi_unknowns = 0;  ///< K, over all groups
  std::int64_t phi_splines = 0;   ///< M
  std::int64_t shapes = 1;        ///< of phi
  std::int64_t shards = 1;
  EquationForm form;
  bool series_on_host = false;  ///< while what is made of them lies on a device
};

/// The bytes that the closed form holds at its peak where a rank computes, on its device or the host, beside
/// the program itself: the rank's series too, or the part of them that is brought where they stay on the
/// host. docs/closed-form.md has the formula in words. Local.
std::int64_t closed_form_bytes(const ClosedFormSize& size);

/// The size of a problem as it will be solved where y is clean. Local.
ClosedFormSize closed_form_size(const ProcessGrid& grid, const NeuronSignals& signals,
                                std::int64_t fitted_frames, const PsiSearchOptions& options);

}  // namespace weft
