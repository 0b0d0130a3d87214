#include "weft/train/training_data.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/log.hpp"

#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// The value of a neuron at a frame.
using Value = std::function<float(std::int64_t frame, std::int64_t neuron)>;

/// Tells where it belongs, and grows faster and faster: no two differences are alike.
float cell(std::int64_t frame, std::int64_t neuron) {
  return static_cast<float>(frame * frame) + 0.125F * static_cast<float>((frame + 1) * neuron);
}
float negative(std::int64_t frame, std::int64_t neuron) { return -cell(frame, neuron); }

class LoadTrainingData : public testing::Test {
 protected:
  LoadTrainingData() {
    info.frames = 9;
    info.neurons = 11;
    info.dt = 0.25;
    info.version = "0.1.0";
  }

  /// The dataset of `info` with these values, written as three shards or fewer.
  Dataset dataset(const Value& activity, const Value& derivative = {}) {
    info.has_derivative = static_cast<bool>(derivative);
    const RowPartition partition(info.neurons, static_cast<int>(std::min<std::int64_t>(3, info.neurons)));
    collectively(test_world(), [&] {
      if (test_world().rank() != 0) return;
      for (int shard = 0; shard < partition.shards(); ++shard) {
        DatasetShardWriter writer(folder_.path(), info, partition, shard);
        writer.write_frames(0, block(activity, partition, shard), block(derivative, partition, shard));
        writer.close();
      }
      write_dataset_view(folder_.path(), info, {}, partition);
    });
    return Dataset(folder_.path() / "activity.h5");
  }
  fs::path log_file() const { return folder_.path() / ("log_" + std::to_string(test_world().rank())); }

  DatasetInfo info;

 private:
  std::vector<float> block(const Value& value, const RowPartition& partition, int shard) const {
    std::vector<float> values;
    for (std::int64_t frame = 0; value && frame < info.frames; ++frame) {
      for (std::int64_t neuron = partition.begin(shard); neuron < partition.end(shard); ++neuron) {
        values.push_back(value(frame, neuron));
      }
    }
    return values;
  }

  TemporaryFolder folder_{test_world()};
};

void expect_columns(const at::Tensor& actual, const TrainingData& data, std::int64_t frame,
                    const Value& expected) {
  for (std::int64_t i = 0; i < data.partition.size(data.shard); ++i) {
    EXPECT_EQ(actual[frame][i].item<float>(), expected(frame, data.partition.begin(data.shard) + i))
        << "frame " << frame << ", row " << i;
  }
}

TEST_F(LoadTrainingData, GivesEachRankItsColumns) {
  info.trajectory_starts = {0, 4};
  const TrainingData data = load_training_data(test_world(), dataset(cell, negative));
  EXPECT_EQ(data.partition, RowPartition(11, test_world().size()));
  EXPECT_EQ(data.shard, test_world().rank());
  const std::int64_t rows = data.partition.size(data.shard);
  ASSERT_EQ(data.activity.sizes(), at::IntArrayRef({9, rows}));
  ASSERT_EQ(data.derivative.sizes(), at::IntArrayRef({9, rows}));
  EXPECT_EQ(data.activity.scalar_type(), at::kFloat);
  EXPECT_EQ(data.derivative.scalar_type(), at::kFloat);
  for (std::int64_t frame = 0; frame < 9; ++frame) {
    expect_columns(data.activity, data, frame, cell);
    expect_columns(data.derivative, data, frame, negative);
  }
  EXPECT_THAT(data.frames.with_derivative, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(LoadTrainingData, TakesForwardDifferencesWithinTrajectories) {
  info.trajectory_starts = {0, 3, 4, 7};  // the second one is a single frame
  const TrainingData data = load_training_data(test_world(), dataset(cell));
  EXPECT_THAT(data.frames.with_derivative, testing::ElementsAre(0, 1, 4, 5, 7));
  for (const std::int64_t frame : data.frames.with_derivative) {
    expect_columns(data.activity, data, frame, cell);
    expect_columns(data.derivative, data, frame, [&](std::int64_t t, std::int64_t neuron) {
      return (cell(t + 1, neuron) - cell(t, neuron)) / 0.25F;
    });
  }
}

TEST_F(LoadTrainingData, SaysThatItTakesForwardDifferences) {
  log_to_file(log_file());
  load_training_data(test_world(), dataset(cell, negative));
  const auto logged = [&] {
    std::ifstream file(log_file());
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(logged(), "");
  test_world().barrier();  // nobody has the first one open any more
  load_training_data(test_world(), dataset(cell));
  if (test_world().rank() != 0) {
    EXPECT_EQ(logged(), "") << "once is enough";
    return;
  }
  EXPECT_THAT(logged(), testing::HasSubstr("activity.h5: no /derivative; using forward differences"));
  EXPECT_THAT(logged(), testing::HasSubstr("dt = 0.25"));
}

TEST_F(LoadTrainingData, TrajectoriesOfOneFrameHaveNoDifferences) {
  info.frames = 2;
  info.trajectory_starts = {0, 1};
  const Dataset file = dataset(cell);
  expect_user_error([&] { load_training_data(test_world(), file); },
                    {"activity.h5", "2 frames in 2 trajectories", "two frames or more in a trajectory"});
}

/// `value`, but for frame 4 of neuron 9.
Value broken(const Value& value, float by) {
  return [=](std::int64_t frame, std::int64_t neuron) {
    return frame == 4 && neuron == 9 ? by : value(frame, neuron);
  };
}

TEST_F(LoadTrainingData, ActivityThatIsNoNumberIsNamedOnAllRanks) {
  const Dataset file = dataset(broken(cell, std::numeric_limits<float>::quiet_NaN()));
  expect_user_error([&] { load_training_data(test_world(), file); },
                    {"/activity", "frame 4, neuron 9", "nan"});
}

TEST_F(LoadTrainingData, InfiniteDerivativesAreNamedOnAllRanks) {
  const Dataset file = dataset(cell, broken(negative, std::numeric_limits<float>::infinity()));
  expect_user_error([&] { load_training_data(test_world(), file); },
                    {"/derivative", "frame 4, neuron 9", "inf"});
}

TEST_F(LoadTrainingData, FewerNeuronsThanRanksAreRefused) {
  if (test_world().size() == 1) GTEST_SKIP() << "one rank takes any number of neurons";
  info.neurons = test_world().size() - 1;
  const Dataset file = dataset(cell, negative);
  expect_user_error(
      [&] { load_training_data(test_world(), file); },
      {std::to_string(info.neurons) + " neurons for " + std::to_string(info.neurons + 1) + " ranks",
       "at least one neuron for each rank"});
}

TEST_F(LoadTrainingData, ConstantActivityIsRefused) {
  const Dataset file = dataset([](auto, auto) { return 0.3F; });
  expect_user_error([&] { load_training_data(test_world(), file); },
                    {"activity.h5", "the same number everywhere"});
}

TEST_F(LoadTrainingData, NeuronsThatAreConstantEachAreNot) {
  EXPECT_NO_THROW(load_training_data(test_world(),
                                     dataset([](auto, auto neuron) { return static_cast<float>(neuron); })));
}

class ActivityScale : public LoadTrainingData {
 protected:
  ActivityScale() { info.neurons = 13; }
  double scale(const Value& activity) {
    return load_training_data(test_world(), dataset(activity, negative)).activity_scale;
  }
};

TEST_F(ActivityScale, IsOfAllNeuronsTogether) {
  // 0, 10, ..., 120: the standard deviation over 13 neurons is 37.42, over those of a shard much less.
  info.frames = 1000;
  EXPECT_EQ(scale([](auto, auto neuron) { return 10.0F * static_cast<float>(neuron); }), 56);
}

TEST_F(ActivityScale, IsOfOneSampleLess) {
  // Of a single frame 0, 1, ..., 12, times 3.42: 1.5 x 13.32 = 19.98 with N - 1, 19.19 with N.
  info.frames = 1;
  EXPECT_EQ(scale([](auto, auto neuron) { return 3.42F * static_cast<float>(neuron); }), 20);
}

TEST_F(ActivityScale, IsBlindToAnOffset) {
  info.frames = 1000;
  EXPECT_EQ(scale([](auto frame, auto) { return frame % 2 == 0 ? 4100.0F : 4092.0F; }), 6);
}

TEST_F(ActivityScale, OfWeakActivityIsNotRounded) {
  // The standard deviation over 0, 1, ..., 12 is 3.742, for ten frames of them.
  info.frames = 10;
  EXPECT_NEAR(scale([](auto, auto neuron) { return 0.01F * static_cast<float>(neuron); }), 0.0563, 1e-4);
}

}  // namespace
}  // namespace weft
