#include "weft/train/frame_choice.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "model/random_tensor.hpp"
#include "on_replicas.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 7;

/// Activity of which only the coordinate matters, and the frames it was recorded in.
struct Recording {
  at::Tensor coordinate;  ///< (frames x all neurons) float32
  TrainingFrames frames;

  Recording(std::int64_t total, std::vector<std::int64_t> starts)
      : coordinate(random_tensor({total, kNeurons}, 1).to(at::kFloat)) {
    frames.total = total;
    frames.trajectory_starts = std::move(starts);
    frames.with_derivative.resize(static_cast<std::size_t>(total));
    std::iota(frames.with_derivative.begin(), frames.with_derivative.end(), 0);
  }
  FrameChoice choose(bool differenced) const {
    const RowPartition partition(kNeurons, test_world().size());
    const int shard = test_world().rank();
    const NeuronSignals signals{
        partition, shard,
        {},        coordinate.narrow(1, partition.begin(shard), partition.size(shard)).contiguous(),
        {},        {},
        1};
    return choose_frames(test_world(), signals, frames, differenced);
  }
};

bool contains(const Frames& frames, std::int64_t frame) { return std::ranges::binary_search(frames, frame); }

bool is_ascending(const Frames& frames) {
  return std::ranges::adjacent_find(frames, std::ranges::greater_equal()) == frames.end();
}

/// The `count` frames with the highest and with the lowest activity of any neuron.
Frames slow_extremes(const Recording& recording, const Frames& usable, std::size_t count) {
  std::set<std::int64_t> extremes;
  for (const float sign : {1.0F, -1.0F}) {
    std::vector<std::pair<float, std::int64_t>> order;
    for (const std::int64_t frame : usable)
      order.emplace_back(-(sign * recording.coordinate[frame]).max().item<float>(), frame);
    std::ranges::sort(order);
    for (std::size_t k = 0; k < count; ++k) extremes.insert(order[k].second);
  }
  return {extremes.begin(), extremes.end()};
}

/// Three trajectories of 400, 30 and 770 frames, without the derivative of the last frame of each.
Recording three_trajectories() {
  Recording recording(1200, {0, 400, 430});
  std::erase_if(recording.frames.with_derivative,
                [](std::int64_t frame) { return frame == 399 || frame == 429 || frame == 1199; });
  // The highest activity is that of the last neuron, among the frames that would be held out.
  recording.coordinate[1190][kNeurons - 1] = 50;
  return recording;
}

TEST(ChooseFrames, HoldsOutTheEndsOfTrajectoriesButForTheExtremes) {
  const Recording recording = three_trajectories();
  const FrameChoice choice = recording.choose(false);
  const Frames& usable = recording.frames.with_derivative;
  EXPECT_EQ(choice.extremes, slow_extremes(recording, usable, usable.size() / 20));
  EXPECT_TRUE(contains(choice.extremes, 1190));
  EXPECT_TRUE(is_ascending(choice.extremes));
  Frames held_out, fit;
  for (const std::int64_t frame : usable) {
    // A fiftieth of 400 frames is 8, of 30 it is none, of 770 it is 15.
    const bool late = (frame >= 392 && frame < 400) || frame >= 1185;
    (late && !contains(choice.extremes, frame) ? held_out : fit).push_back(frame);
  }
  EXPECT_EQ(choice.held_out, held_out);
  EXPECT_EQ(choice.fit, fit);
  EXPECT_GT(held_out.size(), 15U);
}

TEST(ChooseFrames, DifferencedLeavesOutFramesThatHaveNoneBefore) {
  const Recording recording = three_trajectories();
  const FrameChoice plain = recording.choose(false), differenced = recording.choose(true);
  Frames all;
  std::ranges::merge(differenced.fit, differenced.held_out, std::back_inserter(all));
  Frames expected = recording.frames.with_derivative;
  std::erase_if(expected, [](std::int64_t frame) { return frame == 0 || frame == 400 || frame == 430; });
  EXPECT_EQ(all, expected);
  EXPECT_EQ(plain.fit.size() + plain.held_out.size(), all.size() + 3);
  for (const std::int64_t start : recording.frames.trajectory_starts)
    EXPECT_FALSE(contains(differenced.extremes, start));
}

TEST(ChooseFrames, TakesSoManyExtremesAtMost) {
  const Recording recording(5000, {0});
  const FrameChoice choice = recording.choose(false);
  EXPECT_EQ(choice.extremes, slow_extremes(recording, recording.frames.with_derivative, 200));
}

TEST(ChooseFrames, OfFewFramesAllAreFitted) {
  const Recording recording(15, {0, 8});
  const FrameChoice choice = recording.choose(false);
  EXPECT_EQ(choice.fit, recording.frames.with_derivative);
  EXPECT_TRUE(choice.held_out.empty());
  EXPECT_TRUE(choice.extremes.empty());
}

class SampleFrames : public testing::Test {
 protected:
  FrameChoice choice_ = three_trajectories().choose(false);
};

TEST_F(SampleFrames, HaveTheExtremesAmongThem) {
  const Frames sample = sample_frames(choice_, 300, 1);
  EXPECT_EQ(sample.size(), 300U);
  EXPECT_TRUE(is_ascending(sample));
  EXPECT_TRUE(std::ranges::includes(choice_.fit, sample));
  EXPECT_TRUE(std::ranges::includes(sample, choice_.extremes));
}

TEST_F(SampleFrames, AreTheSameForTheSameSeedOnly) {
  EXPECT_EQ(sample_frames(choice_, 300, 1), sample_frames(choice_, 300, 1));
  EXPECT_NE(sample_frames(choice_, 300, 1), sample_frames(choice_, 300, 2));
}

TEST_F(SampleFrames, AreAllWhereThereAreNoMore) {
  const std::int64_t all = std::ssize(choice_.fit);
  EXPECT_EQ(sample_frames(choice_, all, 1), choice_.fit);
  EXPECT_EQ(sample_frames(choice_, all + 1, 1), choice_.fit);
  EXPECT_EQ(std::ssize(sample_frames(choice_, all - 1, 1)), all - 1);
}

TEST_F(SampleFrames, AreTheExtremesAtLeast) { EXPECT_EQ(sample_frames(choice_, 1, 1), choice_.extremes); }

TEST_F(SampleFrames, HaveEveryOtherFrameEquallyOften) {
  constexpr std::int64_t samples = 400, others = 200;
  std::vector<std::int64_t> taken(1200, 0);
  for (std::uint64_t seed = 0; seed < samples; ++seed) {
    for (const std::int64_t frame : sample_frames(choice_, std::ssize(choice_.extremes) + others, seed))
      ++taken[static_cast<std::size_t>(frame)];
  }
  const double rest = static_cast<double>(choice_.fit.size() - choice_.extremes.size());
  const double share = others / rest, expected = samples * share;
  const double deviation = std::sqrt(expected * (1 - share));
  for (const std::int64_t frame : choice_.fit) {
    if (contains(choice_.extremes, frame)) continue;
    EXPECT_NEAR(static_cast<double>(taken[static_cast<std::size_t>(frame)]), expected, 5 * deviation)
        << frame;
  }
}

class ReplicaShareOn : public OnReplicas {};

TEST_P(ReplicaShareOn, CoversEveryFrameOnce) {
  for (const std::int64_t count : {0, 1, 3, 101}) {
    Frames frames(static_cast<std::size_t>(count));
    for (std::int64_t k = 0; k < count; ++k) frames[static_cast<std::size_t>(k)] = 5 * k;
    const auto share = replica_share(*grid_, frames);
    EXPECT_LE(std::ssize(share), count / GetParam() + 1);
    EXPECT_GE(std::ssize(share), count / GetParam());
    std::vector<double> taken(frames.size(), 0);
    for (const std::int64_t frame : share) ++taken[static_cast<std::size_t>(frame / 5)];
    grid_->replicas().all_reduce(std::span<double>(taken), Reduction::sum).wait();
    EXPECT_EQ(taken, std::vector<double>(frames.size(), 1));
  }
}

INSTANTIATE_TEST_SUITE_P(Replicas, ReplicaShareOn, testing::Values(1, 2, 3, 4),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace weft
