#include "weft/train/column_scaling.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "weft/core/error.hpp"

#include "model/random_tensor.hpp"
#include "on_replicas.hpp"

namespace weft {
namespace {

// More columns than a thread takes at a time.
constexpr std::int64_t kNeurons = 1203, kFrames = 45, kChunk = 8;
// The first and the last column, and one in the middle: too little, just enough and nothing at all.
constexpr std::int64_t kFaint = 0, kQuiet = 600, kConstant = kNeurons - 1;

/// Columns with means and deviations of their own, (frames x neurons) float64, all deviations but three
/// near 2.
at::Tensor sample() {
  at::Tensor values = random_tensor({kFrames, kNeurons}, 1) * 2;
  values.select(1, kFaint).mul_(0.5e-4);
  values.select(1, kQuiet).mul_(2e-4);
  values.select(1, kConstant).zero_();
  return values + random_tensor({1, kNeurons}, 2) * 3;
}

struct SlowMoments {
  double mean = 0, deviation = 0;
  explicit SlowMoments(const at::Tensor& column) {
    const at::Tensor values = column.to(at::kDouble);
    mean = values.mean().item<double>();
    deviation = std::sqrt((values - mean).square().mean().item<double>());
  }
};

class ColumnScalingOn : public OnReplicas {
 protected:
  void SetUp() override {
    OnReplicas::SetUp();
    if (IsSkipped()) return;
    partition_ = RowPartition(kNeurons, grid_->shards());
  }
  /// This rank's columns, of all frames or of those of its replica.
  at::Tensor own_columns(const at::Tensor& values) const {
    return values.narrow(1, first(), partition_.size(grid_->shard())).contiguous();
  }
  at::Tensor own_frames(const at::Tensor& columns) const {
    const std::int64_t replicas = grid_->replicas().size(), begin = kFrames * grid_->replica() / replicas;
    return columns.narrow(0, begin, kFrames * (grid_->replica() + 1) / replicas - begin);
  }
  ColumnScaling scaling(const at::Tensor& columns) const {
    const at::Tensor own = own_frames(columns);
    ColumnMoments moments;
    for (std::int64_t start = 0; start < own.size(0); start += kChunk)
      moments.add(own.narrow(0, start, std::min(kChunk, own.size(0) - start)));
    EXPECT_EQ(moments.frames, own.size(0));
    return scale_columns(*grid_, partition_, moments);
  }
  std::int64_t first() const { return partition_.begin(grid_->shard()); }

  RowPartition partition_{kNeurons, 1};
};

TEST_P(ColumnScalingOn, IsOfAllFramesMeansAndDeviations) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor columns = own_columns(sample().to(type));
    const ColumnScaling result = scaling(columns);
    ASSERT_EQ(std::ssize(result.mean), columns.size(1));
    ASSERT_EQ(std::ssize(result.scale), columns.size(1));
    EXPECT_EQ(result.silent, 2);  // of all shards, on every rank
    for (std::int64_t j = 0; j < columns.size(1); ++j) {
      const SlowMoments slow(columns.select(1, j));
      const auto at = static_cast<std::size_t>(j);
      EXPECT_NEAR(result.mean[at], slow.mean, 1e-12) << j;
      const std::int64_t neuron = first() + j;
      if (neuron == kFaint || neuron == kConstant) {
        EXPECT_EQ(result.scale[at], 0) << neuron;
      } else {
        EXPECT_NEAR(result.scale[at] * slow.deviation, 1, 1e-6) << neuron;
      }
    }
  }
}

TEST_P(ColumnScalingOn, BringsColumnsToMeanZeroAndVarianceOne) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    at::Tensor columns = own_columns(sample().to(type));
    const at::Tensor before = columns.clone();
    scaling(before).apply(columns);
    for (std::int64_t j = 0; j < columns.size(1); ++j) {
      const std::int64_t neuron = first() + j;
      const bool silent = neuron == kFaint || neuron == kConstant;
      // In single precision a faint column about a large mean keeps few digits.
      const double tolerance = type == at::kDouble ? 1e-6 : neuron == kQuiet ? 1e-2 : 1e-5;
      const SlowMoments slow(columns.select(1, j));
      EXPECT_NEAR(slow.mean, 0, tolerance) << neuron;
      EXPECT_NEAR(slow.deviation, silent ? 0 : 1, tolerance) << neuron;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Replicas, ColumnScalingOn, testing::Values(1, 2, 4),
                         testing::PrintToStringParamName());

TEST(ColumnScaling, ABlockOfOtherColumnsIsABug) {
  const ColumnScaling scaling{{0, 0}, {1, 1}, 0};
  at::Tensor three = random_tensor({4, 3}, 1);
  EXPECT_THROW(scaling.apply(three), InternalError);
}

}  // namespace
}  // namespace weft
