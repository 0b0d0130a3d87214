#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/comm/traffic.hpp"
#include "weft/config/config.hpp"
#include "weft/core/philox.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/device/device.hpp"
#include "weft/kernels/simulation_step.hpp"
#include "weft/sim/neuron_types.hpp"

#include "sim/device_array.hpp"
#include "sim/host_frames.hpp"

namespace weft {

/// S trajectories of the neurons that a rank owns, on a device, and the steps that they take there. Steps are
/// recorded in a block of frames, which the host may look at between them. On a GPU the host only starts the
/// steps; it waits where it fetches something. Local but for what is said to be collective.
class SimulationEngine {
 public:
  /// @param rows      this rank's rows of W, (own x N); used in place on the host, which must keep them.
  /// @param capacity  frames of a block.
  /// @throws UserError where the device's memory is used up.
  SimulationEngine(Device& device, Communicator& shards, const SimulationConfig& config,
                   const RowPartition& partition, const Philox& noise, const float* rows,
                   std::int64_t capacity);

  /// Puts all trajectories at `x`, with its tanh, each (S x own).
  void set_state(std::span<const float> x, std::span<const float> tanh_x);
  /// Tells the ranks of each other's activity: part of every step, and to be called after set_state.
  /// @collective
  void exchange();
  /// The next step is number `step`, and the first of a new block.
  void begin_block(std::int64_t step);
  /// Takes one step or two, not more than `most`; returns how many. @collective
  std::int64_t advance(std::int64_t most);

  /// Waits until all steps so far are done.
  void settle() { device_.synchronize(); }
  /// The activity now, (S x own), after all steps so far.
  std::span<const float> fetch_state();
  /// Its tanh, as the next step will read it.
  std::span<const float> fetch_tanh();
  /// The first `count` frames of the block, after all steps so far: x and f(x) before each step.
  HostFrames fetch_frames(std::int64_t count);

 private:
  bool alone() const { return shards_.size() == 1; }
  void step();

  Device& device_;
  Communicator& shards_;
  std::int64_t trajectories_, neurons_, own_, capacity_;
  std::vector<std::int64_t> counts_;  ///< elements of the gathered blocks, by rank

  std::optional<DeviceArray<float>> weights_;  ///< where the host's rows cannot be used in place
  DeviceArray<float> gain_, self_coupling_, decay_;
  DeviceArray<std::int64_t> begins_;
  DeviceArray<SimulationCounter> counter_;
  DeviceArray<float> x_;
  /// Of size S x N. With one rank, tanh of the activity before and after a step, in turns. With several, that
  /// of all neurons, and what is gathered for it: the ranks' (S x own) blocks in rank order.
  std::array<DeviceArray<float>, 2> tanh_;
  int now_ = 0;             ///< which of them the next step reads
  std::int64_t own_block_;  ///< where the own tanh begins in the other
  DeviceArray<float> activity_, derivative_;
  SimulationStep step_;
  std::unique_ptr<RecordedWork> pair_;  ///< two steps, so that tanh_ is in its first order again
  Traffic traffic_of_pair_;             ///< as it was counted in the recording
  bool counted_ahead_ = false;          ///< of the first replay, by the recording
};

}  // namespace weft
