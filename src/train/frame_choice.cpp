#include "weft/train/frame_choice.hpp"

#include <algorithm>

#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>

#include "weft/core/philox.hpp"
#include "weft/train/tensor_buffer.hpp"

namespace weft {
namespace {

constexpr std::int64_t kExtremeFrames = 200;  // at each end, at most
constexpr std::int64_t kExtremeShare = 20;    // and at most one frame in so many
constexpr std::int64_t kHeldOutShare = 50;    // one frame in so many

Frames usable_frames(const TrainingFrames& frames, bool differenced) {
  Frames usable = frames.with_derivative;
  if (!differenced) return usable;
  std::erase_if(usable, [&](std::int64_t frame) {
    return std::ranges::binary_search(frames.trajectory_starts, frame);
  });
  return usable;
}

/// The `count` frames of `from` with the largest `value`.
void add_largest(const Frames& from, const float* value, std::int64_t count, Frames& to) {
  Frames order = from;
  const auto end = order.begin() + std::min(count, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(), [value](std::int64_t a, std::int64_t b) {
    return value[a] != value[b] ? value[a] > value[b] : a < b;
  });
  to.insert(to.end(), order.begin(), end);
}

/// The frames with the lowest and with the highest activity of any neuron. @collective
Frames find_extremes(Communicator& rows, const NeuronSignals& signals, const Frames& usable) {
  at::Tensor highest = at::amax(signals.coordinate, 1).cpu();
  at::Tensor lowest = at::amin(signals.coordinate, 1).neg_().cpu();
  const std::int64_t count = std::min(kExtremeFrames, std::ssize(usable) / kExtremeShare);
  Frames extremes;
  for (at::Tensor* const peak : {&highest, &lowest}) {
    rows.all_reduce(buffer_of(*peak), Reduction::max).wait();
    add_largest(usable, peak->const_data_ptr<float>(), count, extremes);
  }
  std::ranges::sort(extremes);
  extremes.erase(std::unique(extremes.begin(), extremes.end()), extremes.end());
  return extremes;
}

/// Whether a frame is in the last fiftieth of its trajectory.
bool is_late(const TrainingFrames& frames, std::int64_t frame) {
  const auto next = std::ranges::upper_bound(frames.trajectory_starts, frame);
  const std::int64_t end = next == frames.trajectory_starts.end() ? frames.total : *next;
  const std::int64_t length = end - *(next - 1);
  return end - frame <= held_out_frames(length);
}

}  // namespace

std::int64_t held_out_frames(std::int64_t trajectory_frames) { return trajectory_frames / kHeldOutShare; }

FrameChoice choose_frames(Communicator& rows, const NeuronSignals& signals, const TrainingFrames& frames,
                          bool differenced) {
  const Frames usable = usable_frames(frames, differenced);
  FrameChoice choice;
  choice.extremes = find_extremes(rows, signals, usable);
  for (const std::int64_t frame : usable) {
    const bool held_out = is_late(frames, frame) && !std::ranges::binary_search(choice.extremes, frame);
    (held_out ? choice.held_out : choice.fit).push_back(frame);
  }
  return choice;
}

Frames sample_frames(const FrameChoice& choice, std::int64_t count, std::uint64_t seed) {
  if (count >= std::ssize(choice.fit)) return choice.fit;
  Frames rest;
  std::ranges::set_difference(choice.fit, choice.extremes, std::back_inserter(rest));
  const Philox random(seed, RandomStream::training_frames);
  const std::int64_t wanted = std::max<std::int64_t>(0, count - std::ssize(choice.extremes));
  for (std::int64_t k = 0; k < wanted; ++k) {  // Fisher & Yates, as far as needed
    const auto left = static_cast<std::uint64_t>(std::ssize(rest) - k);
    std::swap(rest[static_cast<std::size_t>(k)],
              rest[static_cast<std::size_t>(k) + random.below(left, 0, static_cast<std::uint64_t>(k))]);
  }
  Frames sample(rest.begin(), rest.begin() + wanted);
  sample.insert(sample.end(), choice.extremes.begin(), choice.extremes.end());
  std::ranges::sort(sample);
  return sample;
}

std::span<const std::int64_t> replica_share(const ProcessGrid& grid, std::span<const std::int64_t> frames) {
  const auto count = frames.size();
  const auto replicas = static_cast<std::size_t>(grid.replicas().size());
  const auto own = static_cast<std::size_t>(grid.replica());
  const std::size_t first = count * own / replicas;
  return frames.subspan(first, count * (own + 1) / replicas - first);
}

}  // namespace weft
