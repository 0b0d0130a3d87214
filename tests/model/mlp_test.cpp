#include "weft/model/mlp.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "model/plain_mlp.hpp"
#include "model/random_tensor.hpp"

namespace weft {
namespace {

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

/// All parameters random, the biases too.
Mlp random_mlp(std::int64_t inputs) {
  Mlp mlp(inputs, at::kDouble);
  mlp.parameters().copy_(0.3 * random_tensor(mlp.parameters().sizes(), 11));
  return mlp;
}

/// One layer on one point, in plain loops; weight is (out x in).
std::vector<double> slow_layer(const std::vector<double>& x, const at::Tensor& weight, const at::Tensor& bias,
                               bool rectify) {
  std::vector<double> y;
  for (std::int64_t out = 0; out < weight.size(0); ++out) {
    double sum = bias[out].item<double>();
    for (std::int64_t in = 0; in < weight.size(1); ++in) {
      sum += weight[out][in].item<double>() * x[static_cast<std::size_t>(in)];
    }
    y.push_back(rectify ? std::max(0.0, sum) : sum);
  }
  return y;
}

class MlpOfInputs : public testing::TestWithParam<std::int64_t> {};

TEST_P(MlpOfInputs, ForwardIsThatOfPlainLoops) {
  const Mlp mlp = random_mlp(GetParam());
  const auto named = mlp.named_parameters();
  const at::Tensor input = 3 * random_tensor({7, GetParam()}, 12);
  const at::Tensor output = mlp.forward(input);

  ASSERT_EQ(output.sizes(), at::IntArrayRef({7}));
  for (std::int64_t row = 0; row < 7; ++row) {
    std::vector<double> x;
    for (std::int64_t in = 0; in < GetParam(); ++in) x.push_back(input[row][in].item<double>());
    for (std::size_t layer = 0; layer < 3; ++layer) {
      x = slow_layer(x, named[2 * layer].second, named[2 * layer + 1].second, layer < 2);
    }
    ASSERT_EQ(x.size(), 1U);
    EXPECT_NEAR(output[row].item<double>(), x[0], 1e-12);
  }
}

TEST_P(MlpOfInputs, BackwardIsThatOfAutograd) {
  const Mlp mlp = random_mlp(GetParam());
  const at::Tensor input = 3 * random_tensor({17, GetParam()}, 12);
  const at::Tensor slope = random_tensor({17}, 13);
  const at::Tensor flat = mlp.parameters().clone().set_requires_grad(true);
  const at::Tensor leaf = input.clone().set_requires_grad(true);
  (plain_mlp(flat, leaf) * slope).sum().backward();

  Mlp::Tape tape;
  mlp.forward(input, tape);
  at::Tensor gradient = at::zeros_like(mlp.parameters());
  const at::Tensor first_layer = mlp.backward(tape, 0, slope, gradient);
  EXPECT_LE(largest_difference(gradient, flat.grad()), 1e-10);
  EXPECT_LE(largest_difference(mlp.input_gradient(first_layer), leaf.grad()), 1e-10);
}

TEST_P(MlpOfInputs, BackwardOfSomeRowsAddsToWhatIsThere) {
  const Mlp mlp = random_mlp(GetParam());
  const std::int64_t first = 5, rows = 8;
  const at::Tensor input = 3 * random_tensor({17, GetParam()}, 12);
  const at::Tensor slope = random_tensor({rows}, 13);
  const at::Tensor before = random_tensor(mlp.parameters().sizes(), 14);
  const at::Tensor flat = mlp.parameters().clone().set_requires_grad(true);
  const at::Tensor leaf = input.narrow(0, first, rows).clone().set_requires_grad(true);
  (plain_mlp(flat, leaf) * slope).sum().backward();

  Mlp::Tape tape;
  mlp.forward(input, tape);
  at::Tensor gradient = before.clone();
  const at::Tensor first_layer = mlp.backward(tape, first, slope, gradient);
  EXPECT_LE(largest_difference(gradient, before + flat.grad()), 1e-10);
  EXPECT_LE(largest_difference(mlp.input_gradient(first_layer), leaf.grad()), 1e-10);
}

INSTANTIATE_TEST_SUITE_P(PsiAndPhi, MlpOfInputs, testing::Values(1, 3), testing::PrintToStringParamName());

/// Whether the mean of `values` is `expected` to 4 of its standard errors, given their standard deviation.
void expect_mean(const at::Tensor& values, double expected, double deviation, const std::string& what) {
  const double error = 4 * deviation / std::sqrt(static_cast<double>(values.numel()));
  EXPECT_NEAR(values.mean().item<double>(), expected, error) << what;
}

TEST_P(MlpOfInputs, InitialFirstLayerIsUniform) {
  Mlp mlp(GetParam(), at::kDouble);
  mlp.initialise(Philox(1, RandomStream::initial_phi));
  const double bound = 1 / std::sqrt(static_cast<double>(GetParam()));
  for (const std::size_t k : {0, 1}) {
    const auto [name, values] = mlp.named_parameters()[k];
    EXPECT_LT(values.abs().max().item<double>(), bound) << name;
    EXPECT_GT(values.abs().max().item<double>(), 0.9 * bound) << name;
    expect_mean(values, 0, bound / std::sqrt(3), name);
    expect_mean(values.square(), bound * bound / 3, bound * bound * std::sqrt(4.0 / 45), name);
  }
}

TEST_P(MlpOfInputs, InitialLaterLayersAreNormalWithoutBias) {
  Mlp mlp(GetParam(), at::kDouble);
  mlp.initialise(Philox(1, RandomStream::initial_phi));
  for (const std::size_t k : {2, 4}) {
    const auto [name, values] = mlp.named_parameters()[k];
    const at::Tensor unit = values / 0.1;
    expect_mean(unit, 0, 1, name);
    expect_mean(unit.square(), 1, std::sqrt(2), name);
    expect_mean(unit.pow(4), 3, std::sqrt(96), name);
  }
  for (const std::size_t k : {3, 5}) EXPECT_FALSE(mlp.named_parameters()[k].second.any().item<bool>());
}

TEST(Mlp, InitialisationIsKeyedByTheRandomNumbersAlone) {
  Mlp one(3, at::kDouble), same(3, at::kFloat), other(3, at::kDouble), psi(3, at::kDouble);
  one.initialise(Philox(1, RandomStream::initial_phi));
  same.initialise(Philox(1, RandomStream::initial_phi));
  other.initialise(Philox(2, RandomStream::initial_phi));
  psi.initialise(Philox(1, RandomStream::initial_psi));
  EXPECT_TRUE(same.parameters().equal(one.parameters().to(at::kFloat)));
  EXPECT_GT(largest_difference(one.parameters(), other.parameters()), 0.1);
  EXPECT_GT(largest_difference(one.parameters(), psi.parameters()), 0.1);
}

TEST(Mlp, NamedParametersAreViewsThatCoverTheFlatVectorInOrder) {
  const Mlp mlp(3, at::kDouble);
  std::vector<std::string> names;
  std::vector<double> expected;
  for (auto& [name, view] : mlp.named_parameters()) {
    view.fill_(static_cast<double>(names.size()));
    expected.insert(expected.end(), static_cast<std::size_t>(view.numel()),
                    static_cast<double>(names.size()));
    names.push_back(name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"weight0", "bias0", "weight1", "bias1", "weight2", "bias2"}));
  const double* flat = mlp.parameters().const_data_ptr<double>();
  EXPECT_EQ(std::vector<double>(flat, flat + mlp.parameters().numel()), expected);
}

}  // namespace
}  // namespace weft
