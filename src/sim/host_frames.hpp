#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft {

/// Consecutive frames of S trajectories where the host can look at them: for each trajectory a run of up to
/// `capacity` frames of the own neurons. It does not own them.
struct HostFrames {
  float* activity = nullptr;    ///< (S x capacity x own)
  float* derivative = nullptr;  ///< as activity
  std::int64_t capacity = 0;
  std::int64_t own = 0;

  /// `count` frames of a trajectory, from its frame `k` on, out of one of the two arrays.
  std::span<float> frames(float* of, std::int64_t trajectory, std::int64_t k, std::int64_t count = 1) const {
    return {of + (trajectory * capacity + k) * own, static_cast<std::size_t>(count * own)};
  }
};

}  // namespace weft
