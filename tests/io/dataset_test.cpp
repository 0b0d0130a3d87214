#include "weft/io/dataset.hpp"

#include <gtest/gtest.h>

#include "weft/io/truth.hpp"

#include "sample_dataset.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

/// A dataset written by all ranks of the test, each its shard.
class DatasetOfAllRanks : public testing::Test {
 protected:
  void write(const DatasetInfo& info) {
    Communicator& world = test_world();
    const RowPartition partition(info.neurons, world.size());
    collectively(world, [&] { write_sample_shard(folder_.path(), info, partition, world.rank()); });
    collectively(world, [&] {
      if (world.rank() == 0) write_dataset_view(folder_.path(), info, sample_types(), partition);
    });
  }
  std::filesystem::path view() const { return folder_.path() / "activity.h5"; }

 private:
  TemporaryFolder folder_{test_world()};
};

TEST_F(DatasetOfAllRanks, TellsOfItselfWhatWasWritten) {
  write(sample_info());
  const DatasetInfo info = Dataset(view()).info();
  EXPECT_EQ(info.frames, 7);
  EXPECT_EQ(info.neurons, 11);
  EXPECT_EQ(info.dt, 0.25);
  EXPECT_EQ(info.trajectory_starts, (std::vector<std::int64_t>{0, 3}));
  EXPECT_TRUE(info.has_derivative);
  EXPECT_TRUE(info.has_truth);
  EXPECT_EQ(info.config, sample_info().config);
  EXPECT_EQ(info.config_hash, "0123456789abcdef");
  EXPECT_EQ(info.version, "0.1.0 (abc)");
}

TEST_F(DatasetOfAllRanks, GivesEveryBlockOfNeuronsWhoeverWroteIt) {
  write(sample_info());
  const Dataset dataset(view());
  for (std::int64_t first = 0; first < 11; ++first) {
    for (std::int64_t count = 0; first + count <= 11; ++count) {
      EXPECT_EQ(dataset.read_activity(0, 7, first, count), sample_activity(0, 7, first, count));
      EXPECT_EQ(dataset.read_derivative(2, 4, first, count), sample_derivative(2, 4, first, count));
    }
  }
}

TEST_F(DatasetOfAllRanks, GivesEveryRowOfTheTrueConnectivityAndItsTypes) {
  write(sample_info());
  const Truth truth(view());
  for (std::int64_t first = 0; first < 11; ++first) {
    for (std::int64_t count = 1; first + count <= 11; ++count) {
      std::vector<float> rows(static_cast<std::size_t>(count * 11));
      truth.read_connectivity(GlobalRow{first}, rows);
      EXPECT_EQ(rows, sample_connectivity(first, count));
    }
  }
  EXPECT_EQ(truth.types().neuron_type, sample_types().neuron_type);
  EXPECT_EQ(truth.types().parameters, sample_types().parameters);
}

TEST_F(DatasetOfAllRanks, NeedsNeitherDerivativeNorTruth) {
  DatasetInfo bare = sample_info();
  bare.has_derivative = false;
  bare.has_truth = false;
  write(bare);
  const Dataset dataset(view());
  EXPECT_FALSE(dataset.info().has_derivative);
  EXPECT_FALSE(dataset.info().has_truth);
  EXPECT_EQ(dataset.read_activity(0, 7, 0, 11), sample_activity(0, 7, 0, 11));
}

}  // namespace
}  // namespace weft
