#include "weft/model/spline_network.hpp"

#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "weft/core/error.hpp"

#include "model/made_up_splines.hpp"
#include "model/random_tensor.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 13;

std::vector<double> random_numbers(std::int64_t count, std::uint64_t seed) {
  const at::Tensor values = random_tensor({count}, seed);
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + count};
}

/// Three groups of psi and two shapes, every number its own.
SplineNetwork sample(const RowPartition& partition, int shard) {
  SplineNetwork network = made_up_splines(partition, shard);
  const auto own = [&](std::int64_t columns, std::uint64_t seed) {
    const std::vector<double> all = random_numbers(partition.rows() * columns, seed);
    return std::vector<double>(all.begin() + partition.begin(shard) * columns,
                               all.begin() + partition.end(shard) * columns);
  };
  network.psi_splines = 7;
  network.shape_splines = 5;
  network.psi = random_numbers(3 * 7, 1);
  network.shape = random_numbers(2 * 5, 2);
  network.shape_weight = own(2, 3);
  network.constant = own(1, 4);
  network.self_weight = own(1, 5);
  for (std::size_t j = 0; j < network.group.size(); ++j)
    network.group[j] = static_cast<std::int64_t>(j * j % 3);
  network.group.back() = 2;
  return network;
}

SplineNetwork without_shapes(SplineNetwork network) {
  network.shape.clear();
  network.shape_weight.clear();
  return network;
}

void expect_same(const SplineNetwork& actual, const SplineNetwork& expected) {
  EXPECT_EQ(actual.partition, expected.partition);
  EXPECT_EQ(actual.shard, expected.shard);
  EXPECT_TRUE(actual.connectivity.equal(expected.connectivity));
  EXPECT_TRUE(actual.embedding.equal(expected.embedding));
  EXPECT_EQ(actual.axis.scale, expected.axis.scale);
  EXPECT_EQ(actual.axis.low, expected.axis.low);
  EXPECT_EQ(actual.axis.width, expected.axis.width);
  EXPECT_EQ(actual.psi_splines, expected.psi_splines);
  EXPECT_EQ(actual.shape_splines, expected.shape_splines);
  EXPECT_EQ(actual.psi, expected.psi);
  EXPECT_EQ(actual.group, expected.group);
  EXPECT_EQ(actual.shape, expected.shape);
  EXPECT_EQ(actual.shape_weight, expected.shape_weight);
  EXPECT_EQ(actual.constant, expected.constant);
  EXPECT_EQ(actual.self_weight, expected.self_weight);
  EXPECT_EQ(actual.errors.row, expected.errors.row);
  EXPECT_EQ(actual.errors.column, expected.errors.column);
  EXPECT_EQ(actual.errors.residual, expected.errors.residual);
  EXPECT_EQ(actual.errors.state, expected.errors.state);
}

class SplineNetworkCheckpoint : public testing::Test {
 protected:
  SplineNetworkCheckpoint()
      : partition_(kNeurons, test_world().size()), network_(sample(partition_, test_world().rank())) {}

  Checkpoint save(const ModelArrays& arrays) const {
    save_checkpoint(test_world(), folder_.path(), {7, kNeurons, "varpro", "cafe", "0.1.0"}, partition_,
                    arrays.rows, arrays.common);
    test_world().barrier();
    return Checkpoint(latest_checkpoint(folder_.path()));
  }
  void expect_loads_everywhere(const Checkpoint& checkpoint, bool shapes) const {
    for (const int shards : {1, 2, 3, 4, 13}) {
      const RowPartition partition(kNeurons, shards);
      for (int shard = 0; shard < shards; ++shard) {
        SCOPED_TRACE(testing::Message() << shard << " of " << shards);
        const SplineNetwork expected = sample(partition, shard);
        expect_same(load_spline_network(checkpoint, partition, shard),
                    shapes ? expected : without_shapes(expected));
      }
    }
  }
  void expect_refused(const ModelArrays& arrays, std::initializer_list<std::string_view> substrings) const {
    const Checkpoint checkpoint = save(arrays);
    expect_user_error([&] { load_spline_network(checkpoint, partition_, test_world().rank()); }, substrings);
  }

  RowPartition partition_;
  SplineNetwork network_;
  TemporaryFolder folder_{test_world()};
};

TEST_F(SplineNetworkCheckpoint, LoadsTheSameBitsOnAnyNumberOfShards) {
  expect_loads_everywhere(save(arrays_of(network_)), true);
}

TEST_F(SplineNetworkCheckpoint, LoadsWithoutShapes) {
  const SplineNetwork plain = without_shapes(network_);
  expect_loads_everywhere(save(arrays_of(plain)), false);
}

TEST_F(SplineNetworkCheckpoint, OfAnotherAssemblyIsRefused) {
  const Checkpoint checkpoint = save(arrays_of(network_));
  expect_user_error([&] { load_spline_network(checkpoint, RowPartition(12, 1), 0); },
                    {"step_000000000007", "13 neurons", "12, as in the dataset", "name the right run"});
}

TEST_F(SplineNetworkCheckpoint, WithoutAnArrayIsRefused) {
  for (const std::string name : {"connectivity", "spline/shape_weight", "spline/psi", "errors/column"}) {
    ModelArrays arrays = arrays_of(network_);
    const auto named = [&](const ArrayView& array) { return array.name == name; };
    std::erase_if(arrays.rows, named);
    std::erase_if(arrays.common, named);
    expect_refused(arrays, {"step_000000000007", name});
  }
}

TEST_F(SplineNetworkCheckpoint, WithAnArrayOfAnotherShapeIsRefused) {
  const std::vector<double> zeros(static_cast<std::size_t>(3 * kNeurons));
  const auto with = [&](const std::string& name, std::vector<std::int64_t> shape) {
    const auto count = static_cast<std::size_t>(
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
    ModelArrays arrays = arrays_of(network_);
    for (std::vector<ArrayView>* views : {&arrays.rows, &arrays.common}) {
      for (ArrayView& view : *views) {
        if (view.name == name) view = {name, shape, std::span(zeros).first(count)};
      }
    }
    return arrays;
  };
  expect_refused(with("spline/shape_weight", {network_.rows(), 3}),
                 {"spline/shape_weight holds 3 numbers a row", "expected 2", "belongs to another model"});
  expect_refused(with("spline/psi", {22}), {"spline/psi holds 22 numbers", "expected a multiple of 7"});
  expect_refused(with("spline/group", {12}), {"spline/group holds 12 numbers", "expected 13"});
  expect_refused(with("spline/psi_splines", {}), {"spline/psi_splines is 0", "expected 4 or more"});
}

TEST_F(SplineNetworkCheckpoint, WithAGroupThatIsNotThereIsRefused) {
  network_.group[3] = 3;
  expect_refused(arrays_of(network_), {"spline/group holds 3", "expected 0 to 2", "another model"});
}

/// The middle one of three shards.
class RecoveredSplines : public testing::Test {
 protected:
  SplineNetwork network_ = sample(RowPartition(kNeurons, 3), 1);
  std::unique_ptr<RecoveredModel> model_ = recovered(network_);
  /// From beyond one end of the axis to beyond the other.
  std::vector<double> x_{-60, -40, -3.5, -0.7, 0, 0.1, 2, 17, 39.9, 41};
};

TEST_F(RecoveredSplines, ShowTheNetworksArrays) {
  EXPECT_EQ(model_->partition(), RowPartition(kNeurons, 3));
  EXPECT_EQ(model_->shard(), 1);
  const RowBlock<const float> w = model_->connectivity();
  ASSERT_EQ(w.rows, 4);
  ASSERT_EQ(w.columns, kNeurons);
  const std::vector<double> a = model_->embedding();
  ASSERT_EQ(a.size(), 8U);
  for (std::int64_t i = 0; i < w.rows; ++i) {
    for (std::int64_t j = 0; j < w.columns; ++j) {
      EXPECT_EQ(w.data[i * w.stride + j], network_.connectivity[i][j].item<float>());
    }
    EXPECT_EQ(a[static_cast<std::size_t>(2 * i + 1)], network_.embedding[i][1].item<double>());
  }
  ASSERT_TRUE(model_->weight_errors());
  EXPECT_EQ(model_->weight_errors()->column, network_.errors.column);
  EXPECT_EQ(model_->weight_errors()->row, network_.errors.row);
}

TEST_F(RecoveredSplines, PsiIsThatOfEachGroup) {
  ASSERT_EQ(model_->psi_groups(), 3);
  EXPECT_EQ(model_->psi(x_), model_->psi_of_group(0, x_));
  const UniformSplines splines(7);
  for (std::int64_t g = 0; g < 3; ++g) {
    const std::vector<double> values = model_->psi_of_group(g, x_);
    const auto own = std::span(network_.psi).subspan(static_cast<std::size_t>(7 * g), 7);
    for (std::size_t k = 0; k < x_.size(); ++k) {
      EXPECT_EQ(values[k], splines.value(own, network_.axis.coordinate(x_[k])));
      EXPECT_EQ(values[k], network_.psi_at(g, x_[k]));
    }
  }
  EXPECT_THROW(model_->psi_of_group(3, x_), InternalError);
}

TEST_F(RecoveredSplines, PhiIsMadeOfItsParts) {
  const UniformSplines splines(5);
  for (std::int64_t i = 0; i < network_.rows(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    const std::int64_t group = network_.group[static_cast<std::size_t>(network_.partition.begin(1) + i)];
    for (const double x : x_) {
      const double v = network_.axis.coordinate(x);
      const double expected =
          network_.constant[row] + network_.self_weight[row] * network_.psi_at(group, x) +
          network_.shape_weight[2 * row] * splines.value(std::span(network_.shape).first(5), v) +
          network_.shape_weight[2 * row + 1] * splines.value(std::span(network_.shape).last(5), v);
      EXPECT_NEAR(network_.phi_at(LocalRow{i}, x), expected, 1e-14);
    }
  }
}

TEST_F(RecoveredSplines, PhiOfAnyNeuronsIsTheNetworks) {
  for (const SplineNetwork& network : {network_, without_shapes(network_)}) {
    const std::unique_ptr<RecoveredModel> model = recovered(network);
    for (std::int64_t first = 0; first < network.rows(); ++first) {
      for (std::int64_t count = 0; first + count <= network.rows(); ++count) {
        const std::vector<double> values = model->phi(LocalRow{first}, count, x_);
        ASSERT_EQ(values.size(), static_cast<std::size_t>(count) * x_.size());
        for (std::size_t k = 0; k < values.size(); ++k) {
          const auto i = static_cast<std::int64_t>(k / x_.size());
          EXPECT_NEAR(values[k], network.phi_at(LocalRow{first + i}, x_[k % x_.size()]), 1e-14);
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft
