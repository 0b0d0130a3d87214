#include "weft/train/memory_needs.hpp"

#include <algorithm>

#include "weft/model/mlp.hpp"
#include "weft/sim/simulator.hpp"
#include "weft/train/batch_source.hpp"
#include "weft/train/closed_form_memory.hpp"
#include "weft/train/psi_search.hpp"

namespace weft {
namespace {

constexpr std::int64_t kFloat = 4;

/// For what cuBLAS and cuSOLVER allocate for themselves: an allowance.
constexpr std::int64_t kLibraryBytes = std::int64_t{128} << 20;

std::int64_t most_rows(std::int64_t neurons, std::int64_t shards) { return (neurons + shards - 1) / shards; }

/// Numbers that a gradient step makes and gives back, at its peak.
std::int64_t numbers_of_step(const TrainingConfig& training, std::int64_t neurons, std::int64_t rows) {
  const std::int64_t replicas = training.replicas;
  const std::int64_t frames = training.batch_size / replicas;
  const std::int64_t psi_rows = (training.loss.psi_monotone > 0 ? 2 : 1) * frames * rows;
  const std::int64_t phi_rows = (frames + (training.loss.phi_zero > 0 ? 1 : 0)) * rows;
  // A tape: the input and both hidden layers; with it the output.
  const std::int64_t psi = psi_rows * (1 + 2 * Mlp::hidden + 1);
  const std::int64_t phi = phi_rows * (3 + 2 * Mlp::hidden + 1);
  const std::int64_t backward = std::max(psi_rows, phi_rows) * Mlp::hidden;
  // x, y, W psi, residual, slope and falls of psi, by rows; psi, W' g and its blocks, by columns.
  const std::int64_t series = 6 * frames * rows + 3 * frames * neurons;
  const std::int64_t gathered = replicas > 1 ? 2 * training.batch_size * (rows + neurons) : 0;
  return psi + phi + backward + series + gathered;
}

MemoryNeed gradient_need(const TrainingConfig& training, const DataSize& data, std::int64_t shards) {
  const std::int64_t n = most_rows(data.neurons, shards);
  const std::int64_t bytes = kFloat * 3 * data.neurons * n + gradient_work_bytes(training, data.neurons, n);
  const std::int64_t staged = 2 * kDeviceWindow * (training.batch_size / training.replicas);
  return {bytes + 2 * kFloat * staged * n, bytes + 2 * kFloat * data.frames * n};
}

MemoryNeed closed_form_need(const TrainingConfig& training, const DataSize& data, std::int64_t shards) {
  PsiSearchOptions options;
  options.psi_splines = training.psi_splines;
  options.phi_splines = training.phi_splines;
  ClosedFormSize size;
  size.neurons = data.neurons;
  size.rows = most_rows(data.neurons, shards);
  size.frames = data.frames;
  size.psi_frames = std::min(data.fitted_frames, last_search_frames(data.neurons, data.psi_groups, options)) /
                    training.replicas;
  size.sampled_rows = std::min(options.last_rows, data.neurons);
  size.psi_unknowns = data.psi_groups * options.psi_splines;
  size.phi_splines = options.phi_splines;
  size.shards = shards;
  const std::int64_t with_data = closed_form_bytes(size);
  size.series_on_host = true;
  return {kLibraryBytes + std::min(closed_form_bytes(size), with_data), kLibraryBytes + with_data};
}

}  // namespace

std::int64_t gradient_work_bytes(const TrainingConfig& training, std::int64_t neurons, std::int64_t rows) {
  const std::int64_t waiting = training.batch_size * (neurons + rows);
  // Steps run by themselves before one is recorded, and what they took then is kept.
  const std::int64_t step = 2 * numbers_of_step(training, neurons, rows);
  return kFloat * (waiting + step) + kLibraryBytes;
}

MemoryNeed simulation_need(const SimulationConfig& simulation, std::int64_t ranks) {
  const std::int64_t n = most_rows(simulation.neurons, ranks);
  const std::int64_t trajectories = simulation.trajectories;
  const std::int64_t weights = (simulation.neurons + 3) / 4 * 4 * n;  // rows begin at multiples of 16 bytes
  const std::int64_t states = 3 * n + trajectories * (n + 2 * simulation.neurons);
  const std::int64_t frame_bytes = 2 * kFloat * trajectories * n;
  const std::int64_t block = std::clamp<std::int64_t>(Simulator::kBlockBytes / frame_bytes, 1,
                                                      std::max(simulation.burn_in, simulation.frames));
  const std::int64_t bytes = kFloat * (weights + states) + block * frame_bytes;
  return {bytes, bytes};
}

MemoryNeed training_need(const TrainingConfig& training, const DataSize& data, std::int64_t shards) {
  return training.method == TrainingMethod::adam ? gradient_need(training, data, shards)
                                                 : closed_form_need(training, data, shards);
}

std::int64_t fewest_shards(const std::function<std::int64_t(std::int64_t shards)>& least_of,
                           std::int64_t free_bytes, std::int64_t most) {
  for (std::int64_t shards = 1; shards <= most; ++shards)
    if (least_of(shards) <= free_bytes) return shards;
  return 0;
}

}  // namespace weft
