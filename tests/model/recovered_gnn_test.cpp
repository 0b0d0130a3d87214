#include <cmath>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include "weft/model/signal_gnn.hpp"

#include "model/plain_mlp.hpp"
#include "model/random_tensor.hpp"

namespace weft {
namespace {

/// The middle one of three shards, with latents that tell the neurons apart.
class RecoveredGnn : public testing::Test {
 protected:
  RecoveredGnn() : network_(SignalGnn::initial(RowPartition(13, 3), 1, 5, at::kFloat)) {
    network_.embedding.copy_(1 + 0.5 * random_tensor({network_.rows(), 2}, 1));
    model_ = recovered(network_);
  }

  /// phi*(a_i, x) by LibTorch in double precision.
  std::vector<double> phi(std::int64_t neuron, const std::vector<double>& x) const {
    const auto points = static_cast<std::int64_t>(x.size());
    const at::Tensor a = network_.embedding[neuron].to(at::kDouble).expand({points, 2});
    return values(network_.phi, at::cat({at::tensor(x, at::kDouble).unsqueeze(1), a}, 1));
  }
  std::vector<double> psi(const std::vector<double>& x) const {
    return values(network_.psi, at::tensor(x, at::kDouble).unsqueeze(1));
  }

  SignalGnn network_;
  std::unique_ptr<RecoveredModel> model_;

 private:
  static std::vector<double> values(const Mlp& mlp, const at::Tensor& input) {
    const at::Tensor output = plain_mlp(mlp.parameters().to(at::kDouble), input);
    return {output.const_data_ptr<double>(), output.const_data_ptr<double>() + output.numel()};
  }
};

std::vector<double> grid(std::size_t points) {
  std::vector<double> x;
  for (std::size_t k = 0; k < points; ++k)
    x.push_back(-8 + 16 * static_cast<double>(k) / static_cast<double>(points));
  return x;
}

void expect_near(std::span<const double> actual, std::span<const double> expected) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = 0;
  for (std::size_t k = 0; k < actual.size(); ++k) worst = std::max(worst, std::abs(actual[k] - expected[k]));
  EXPECT_LE(worst, 1e-5);  // float32 against float64, values of order 1
}

TEST_F(RecoveredGnn, ShowsTheNetworksArrays) {
  EXPECT_EQ(model_->partition(), RowPartition(13, 3));
  EXPECT_EQ(model_->shard(), 1);

  const RowBlock<const float> w = model_->connectivity();
  EXPECT_EQ(w.rows, 4);
  EXPECT_EQ(w.columns, 13);
  const std::vector<double> a = model_->embedding();
  ASSERT_EQ(a.size(), 8U);
  for (std::int64_t i = 0; i < w.rows; ++i) {
    for (std::int64_t j = 0; j < w.columns; ++j) {
      EXPECT_EQ(w.data[i * w.stride + j], network_.connectivity[i][j].item<float>());
    }
    for (std::int64_t k = 0; k < 2; ++k) {
      EXPECT_EQ(a[static_cast<std::size_t>(2 * i + k)], network_.embedding[i][k].item<double>());
    }
  }
}

TEST_F(RecoveredGnn, PsiIsTheNetworks) { expect_near(model_->psi(grid(50)), psi(grid(50))); }

TEST_F(RecoveredGnn, PhiOfAnyNeuronsIsTheNetworks) {
  for (std::int64_t first = 0; first < network_.rows(); ++first) {
    for (std::int64_t count = 0; first + count <= network_.rows(); ++count) {
      std::vector<double> expected;
      for (std::int64_t i = first; i < first + count; ++i) {
        const std::vector<double> one = phi(i, grid(9));
        expected.insert(expected.end(), one.begin(), one.end());
      }
      expect_near(model_->phi(LocalRow{first}, count, grid(9)), expected);
    }
  }
}

TEST_F(RecoveredGnn, PhiOnAGridTooLargeForOnePassIsTheNetworks) {
  const std::vector<double> x = grid(40'000);
  const std::vector<double> all = model_->phi(LocalRow{1}, 3, x);
  ASSERT_EQ(all.size(), 3 * x.size());
  for (std::int64_t i = 0; i < 3; ++i) {
    expect_near(std::span(all).subspan(static_cast<std::size_t>(i) * x.size(), x.size()), phi(1 + i, x));
  }
}

}  // namespace
}  // namespace weft
