#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/comm/run_control.hpp"
#include "weft/config/config.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/device/device.hpp"

namespace weft {

/// Takes a block of consecutive frames of one trajectory. `first_frame` counts over all trajectories: frame t
/// of trajectory s is s * frames + t. `activity` and `derivative` are (frames of the block x own neurons),
/// row-major, and valid only during the call. May throw (a full disk); must not communicate.
using FrameSink = std::function<void(std::int64_t first_frame, std::span<const float> activity,
                                     std::span<const float> derivative)>;

/// Where a simulation is after a step: what it takes to go on from there, bit for bit as if it had not
/// stopped, on any number of ranks. Of the own neurons, which are the first axis of every array.
struct SimulationState {
  std::int64_t steps = 0;       ///< taken since x(0), those of the burn-in among them
  std::vector<float> x;         ///< (own x S), the activity
  std::vector<float> tanh_x;    ///< (own x S), as it was computed: hosts and GPUs round it differently
  std::vector<double> sums;     ///< (own), of the derivatives that size the observation noise
  std::vector<double> squares;  ///< (own), of these; both are empty without `derivative_snr_db`

  bool operator==(const SimulationState&) const = default;
};

/// Saves a state; gets all ranks' at the same step, when the sink has got every frame before it. May
/// communicate.
using SaveSimulation = std::function<void(const SimulationState&)>;

/// Simulates equation 2 of Allier et al. 2026,
///
///     dx_i/dt = -x_i / tau_i + s_i tanh(x_i) + g_i sum_j W_ij tanh(x_j),
///
/// by explicit Euler with a normal number of deviation `noise` added to every neuron at every step (no
/// sqrt(dt)), from x(0) = 5 * normal, for `trajectories` independent runs side by side: W is read once for
/// all of them. Each rank owns a block of neurons and the rows of W that end in them. All states are float32.
/// The data are bitwise the same on any number of ranks and threads, on processors with the same instruction
/// set, or on GPUs of one kind. Laws, scheme and caveats: docs/simulator.md.
///
/// Memory of a rank: 4 N bytes for each neuron that it owns, and 32 MB of frames or one frame, whichever is
/// more; where it has a GPU, as much there and as much on the host, which draws W and takes the frames.
class Simulator {
 public:
  static constexpr std::int64_t kBlockBytes = std::int64_t{32} << 20;

  /// Draws this rank's rows of W. `shards`, whose ranks share out the neurons, is a communicator that
  /// `device` connected; both must outlive the simulator. `block_bytes` of frames are simulated before the
  /// sink gets them. @collective
  /// @throws UserError where there are fewer neurons than ranks or than types, or memory for the rows is
  /// lacking.
  Simulator(Device& device, Communicator& shards, const SimulationConfig& config, std::uint64_t seed,
            std::int64_t block_bytes = kBlockBytes);
  ~Simulator();

  const RowPartition& partition() const;
  /// This rank's rows of the true W, (own neurons x N) row-major, [post, pre]. Local.
  std::span<const float> connectivity() const;

  /// From now on `run` begins at `state`, which an equal simulation saved on any number of ranks; the sink
  /// gets the frames from there on. Local.
  void resume(SimulationState state);

  /// Runs from the initial state: `burn_in` steps, then `frames` recorded frames of every trajectory. Frame t
  /// holds x_t and f(x_t), the derivative without the noise of the dynamics; with `derivative_snr_db`, it has
  /// observation noise, sized by the second half of the burn-in (of one step at least). The sink gets every
  /// frame once, in ascending order within a trajectory, in blocks of which all ranks have the same number of
  /// frames. `control` gets steps as they are started: a GPU may be behind by some hundreds. About every
  /// tenth of a second, and at the end of each block, it is asked for its wish; the block then ends, the sink
  /// gets it, and `save` the state, after which max(0, steps - burn_in) frames of each trajectory are out.
  /// Calling it again gives the same frames. @collective
  /// @throws UserError on every rank where an activity is no longer finite (with neuron and step); on every
  /// rank where the sink of any rank throws. Stopped on every rank where that was wished before the last
  /// step.
  void run(const FrameSink& sink, RunControl& control, const SaveSimulation& save = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
