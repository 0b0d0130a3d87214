#include "weft/train/batch_source.hpp"

#include <numeric>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

#include "weft/core/error.hpp"
#include "weft/model/tensor_kernels.hpp"

#include "support/device_under_test.hpp"
#include "support/host.hpp"

namespace weft {
namespace {

constexpr std::int64_t kFrames = 23, kRows = 5, kEntries = 3, kWindow = 4;
constexpr std::int64_t kBytes = 2 * kFrames * kRows * 4;  // of both series

using Frames = std::vector<std::int64_t>;

/// Numbers that are there once.
at::Tensor activity() { return at::arange(kFrames * kRows, at::kFloat).view({kFrames, kRows}); }
at::Tensor derivative() { return activity().add(1).neg(); }

BatchSource source_on(const Device& device, std::int64_t budget_bytes) {
  TrainingData data{RowPartition(kRows, 1), 0, activity(), derivative(), {}};
  return {device, data, kEntries, kWindow, budget_bytes};
}

/// Frames of so many steps, others for each step.
Frames frames_of(std::int64_t first_step, std::int64_t steps = 1) {
  Frames frames;
  for (std::int64_t k = first_step * kEntries; k < (first_step + steps) * kEntries; ++k)
    frames.push_back(7 * k % kFrames);
  return frames;
}

/// What a step finds at these frames, or places of the ring, are those frames of the dataset.
void expect_frames(const BatchSource& source, const Frames& which, const Frames& frames) {
  const at::Tensor at = at::tensor(which).to(torch_device(device_under_test())), rows = at::tensor(frames);
  EXPECT_TRUE(source.activity(at).to(at::kCPU).equal(activity().index_select(0, rows)));
  EXPECT_TRUE(source.derivative(at).to(at::kCPU).equal(derivative().index_select(0, rows)));
}

/// Where a step looks in a ring of two windows.
void expect_staged(const BatchSource& source, std::int64_t step) {
  SCOPED_TRACE(testing::Message() << "step " << step);
  Frames places(kEntries);
  std::iota(places.begin(), places.end(), step % (2 * kWindow) * kEntries);
  expect_frames(source, places, frames_of(step));
}

TEST(BatchSource, IsResidentWhereTheBudgetAllows) {
  EXPECT_TRUE(source_on(device_under_test(), kBytes).is_resident());
  EXPECT_FALSE(source_on(device_under_test(), kBytes - 1).is_resident());
  EXPECT_FALSE(source_on(device_under_test(), 0).is_resident());
  EXPECT_TRUE(source_on(host(), 0).is_resident());
}

TEST(BatchSource, ThatIsResidentHasAllFramesByTheirNumber) {
  BatchSource source = source_on(device_under_test(), kBytes);
  source.stage(0, frames_of(0, kWindow));
  const Frames frames{22, 0, 7, 7, 21};
  expect_frames(source, frames, frames);
}

// More than two windows, so that each place is filled again.
TEST(BatchSource, StagesTheNextWindowBesideTheLast) {
  BatchSource source = source_on(device_under_test(), 0);
  source.stage(0, frames_of(0, kWindow));
  for (std::int64_t first = kWindow; first < 6 * kWindow; first += kWindow) {
    source.stage(first, frames_of(first, kWindow));
    for (std::int64_t step = first - kWindow; step < first + kWindow; ++step) expect_staged(source, step);
  }
}

// As epochs of 7 steps divide windows of 4, and a training that ends within one.
TEST(BatchSource, StagesPartsOfAWindow) {
  BatchSource source = source_on(device_under_test(), 0);
  const std::vector<std::int64_t> firsts{0, 4, 7, 8, 12, 14, 16, 20, 21, 23};
  for (std::size_t k = 0; k + 1 < firsts.size(); ++k) {
    const std::int64_t first = firsts[k], end = firsts[k + 1];
    source.stage(first, frames_of(first, end - first));
    const std::int64_t since = k == 0 ? 0 : firsts[k - 1];  // the device may be there still
    for (std::int64_t step = since; step < end; ++step) expect_staged(source, step);
  }
}

TEST(BatchSource, StagesNothingForNoSteps) {
  BatchSource source = source_on(device_under_test(), 0);
  source.stage(0, frames_of(0, kWindow));
  source.stage(0, {});
  for (std::int64_t step = 0; step < kWindow; ++step) expect_staged(source, step);
}

TEST(BatchSource, RefusesBatchesThatAreNotOfOneWindow) {
  BatchSource source = source_on(device_under_test(), 0);
  for (const std::int64_t first : {1, 2, 3, 5, 7, 9})
    EXPECT_THROW(source.stage(first, frames_of(first, kWindow)), InternalError) << "from step " << first;
  EXPECT_THROW(source.stage(0, frames_of(0, kWindow + 1)), InternalError);
  Frames half = frames_of(0, 2);
  half.pop_back();
  EXPECT_THROW(source.stage(0, half), InternalError);
}

}  // namespace
}  // namespace weft
