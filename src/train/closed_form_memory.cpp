#include "weft/train/closed_form_memory.hpp"

#include <algorithm>

#include "weft/train/row_solver.hpp"

namespace weft {

std::int64_t closed_form_bytes(const ClosedFormSize& size) {
  const std::int64_t b = size.form.type == at::kDouble ? 8 : 4;
  const std::int64_t n = size.rows;
  // Activity and derivative, float32; where they are brought, one of them at a time.
  const std::int64_t series = size.series_on_host ? 4 * kBroughtNumbers : 8 * size.frames * n;
  const std::int64_t gram = b * size.neurons * size.neurons;

  // Of each sampled row and frame: y and its splines, and what is left of them; then the sensitivities as
  // they are, as they are projected, and what is left of them; and what their sum over ranks takes.
  const std::int64_t halves = (b == 4 ? 5 : 6) + (size.shards > 1 ? 1 : 0);
  const std::int64_t numbers = 2 * size.phi_splines + 2 + halves * size.psi_unknowns / 2;
  const std::int64_t search = b * size.psi_frames * n + 8 * size.sampled_rows * numbers * size.psi_frames;

  const std::int64_t chunk = std::min(row_solver_chunk(size.neurons), size.psi_frames);
  const std::int64_t gathered = size.shards > 1 ? chunk * size.neurons : 0;
  // Own psi, y and shapes, and the shapes side by side or what is left of y.
  const std::int64_t of_chunk =
      b * (gathered + chunk * n * (2 + size.shapes + std::max<std::int64_t>(1, size.shapes)));
  const std::int64_t adding_up = b * n * size.neurons * (1 + size.shapes) + of_chunk;
  const std::int64_t eliminating = b * n * size.neurons * (1 + 2 * size.shapes);
  const std::int64_t refining = b * n * size.neurons * (2 + size.shapes) + of_chunk;
  return series + gram + std::max({search, adding_up, eliminating, refining});
}

ClosedFormSize closed_form_size(const ProcessGrid& grid, const NeuronSignals& signals,
                                std::int64_t fitted_frames, const PsiSearchOptions& options) {
  ClosedFormSize size;
  size.neurons = signals.partition.rows();
  size.rows = signals.rows();
  size.frames = signals.coordinate.size(0);
  size.psi_frames = std::min(fitted_frames, last_search_frames(size.neurons, signals.groups, options)) /
                    grid.replicas().size();
  size.sampled_rows = std::min(options.last_rows, size.neurons);
  size.psi_unknowns = signals.groups * options.psi_splines;
  size.phi_splines = options.phi_splines;
  size.shards = grid.shards();
  size.form = options.form;
  return size;
}

}  // namespace weft
