#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/comm/process_grid.hpp"
#include "weft/train/neuron_signals.hpp"

namespace weft {

/// Frame numbers, ascending.
using Frames = std::vector<std::int64_t>;

/// What each usable frame of a dataset is for.
struct FrameChoice {
  Frames fit;       ///< to be fitted
  Frames held_out;  ///< to be predicted: the last fiftieth of each trajectory, but for the extreme ones
  Frames extremes;  ///< of `fit`: those of the most extreme activity, which alone hold the ends of psi
};

/// Frames that are held out of a trajectory, unless they are extreme: its last fiftieth. Local.
std::int64_t held_out_frames(std::int64_t trajectory_frames);

/// `differenced` leaves out the first frame of each trajectory, which has none before it.
/// @collective over the row shards; the same on all of them.
FrameChoice choose_frames(Communicator& rows, const NeuronSignals& signals, const TrainingFrames& frames,
                          bool differenced);

/// `count` of the frames that are fitted, the extreme ones among them and the others at random; all of them
/// where there are no more. Local, the same everywhere.
Frames sample_frames(const FrameChoice& choice, std::int64_t count, std::uint64_t seed);

/// The part of the frames that this rank's replica takes: a run of them. Local.
std::span<const std::int64_t> replica_share(const ProcessGrid& grid, std::span<const std::int64_t> frames);

}  // namespace weft
