#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "weft/comm/communicator.hpp"
#include "weft/core/error.hpp"
#include "weft/sim/simulator.hpp"

#include "support/host.hpp"

namespace weft {

/// Everything that a simulator emits on this rank, put in order of the frames.
struct Recording {
  std::int64_t frames = 0;                  ///< over all trajectories
  std::int64_t own = 0;                     ///< neurons of this rank
  std::vector<float> activity, derivative;  ///< (frames x own)
  std::vector<int> times_emitted;           ///< of each frame
  std::vector<std::int64_t> block_starts;   ///< as the sink was called

  float x(std::int64_t frame, std::int64_t i) const {
    return activity[static_cast<std::size_t>(frame * own + i)];
  }
  float f(std::int64_t frame, std::int64_t i) const {
    return derivative[static_cast<std::size_t>(frame * own + i)];
  }
};

/// Of which nothing is there yet.
inline Recording empty_recording(const SimulationConfig& config, std::int64_t own) {
  Recording all;
  all.frames = config.trajectories * config.frames;
  all.own = own;
  all.activity.resize(static_cast<std::size_t>(all.frames * all.own));
  all.derivative.resize(all.activity.size());
  all.times_emitted.resize(static_cast<std::size_t>(all.frames));
  return all;
}

inline FrameSink sink_into(Recording& all) {
  return [&all](std::int64_t first, std::span<const float> activity, std::span<const float> derivative) {
    const auto to = first * all.own;
    std::ranges::copy(activity, all.activity.begin() + to);
    std::ranges::copy(derivative, all.derivative.begin() + to);
    const auto count = static_cast<std::int64_t>(activity.size()) / all.own;
    for (std::int64_t t = first; t < first + count; ++t) ++all.times_emitted[static_cast<std::size_t>(t)];
    all.block_starts.push_back(first);
  };
}

/// Collective over the simulator's ranks.
inline Recording record(Simulator& simulator, const SimulationConfig& config, const Communicator& shards) {
  Recording all = empty_recording(config, simulator.partition().size(shards.rank()));
  Unattended unattended;
  simulator.run(sink_into(all), unattended);
  return all;
}

/// The part of a recording of all neurons that a rank has.
inline Recording part_of(Recording whole, const RowPartition& partition, int rank) {
  for (std::vector<float>* const values : {&whole.activity, &whole.derivative}) {
    std::vector<float> part;
    for (auto frame = values->begin(); frame != values->end(); frame += partition.rows())
      part.insert(part.end(), frame + partition.begin(rank), frame + partition.end(rank));
    *values = std::move(part);
  }
  whole.own = partition.size(rank);
  return whole;
}

/// So many bytes that a block has `frames` frames on `ranks` ranks.
inline std::int64_t block_of(std::int64_t frames, const SimulationConfig& config, int ranks) {
  return 2 * 4 * frames * config.trajectories * RowPartition(config.neurons, ranks).size(0);
}
inline constexpr std::int64_t kAllFrames = 1 << 20;

/// The error of a run, which must hand on nothing that is not finite.
inline std::string error_of(Simulator& simulator) {
  bool emitted_broken = false;
  Unattended unattended;
  try {
    simulator.run(
        [&](auto, std::span<const float> activity, auto) {
          emitted_broken |= !std::ranges::all_of(activity, [](float x) { return std::isfinite(x); });
        },
        unattended);
  } catch (const UserError& error) {
    EXPECT_FALSE(emitted_broken);
    return error.what();
  }
  return "no error";
}

/// The name of a case whose parameters are neurons and trajectories.
inline std::string name_of_size(const testing::TestParamInfo<std::tuple<std::int64_t, std::int64_t>>& size) {
  return std::to_string(std::get<0>(size.param)) + "_neurons_" + std::to_string(std::get<1>(size.param)) +
         "_trajectories";
}

inline SimulationConfig small_assembly() {
  SimulationConfig config;
  config.neurons = 101;
  config.frames = 60;
  config.burn_in = 20;
  config.types = {{10, 1, 1}, {10, 2, 1}, {10, 1, 0.5}, {10, 2, 0.5}};
  return config;
}

}  // namespace weft
