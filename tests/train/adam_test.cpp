#include "weft/train/adam.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/ops/zeros_like.h>

#include "model/random_tensor.hpp"

namespace weft {
namespace {

/// Adam as Kingma & Ba (2015) write it, number by number.
struct SlowAdam {
  std::vector<double> w, m, v;
  int count = 0;

  explicit SlowAdam(const at::Tensor& start)
      : w(start.const_data_ptr<double>(), start.const_data_ptr<double>() + start.numel()),
        m(w.size()),
        v(w.size()) {}

  void step(const at::Tensor& gradient, double learning_rate) {
    ++count;
    const at::Tensor dense = gradient.contiguous();
    for (std::size_t k = 0; k < w.size(); ++k) {
      const double g = dense.const_data_ptr<double>()[k];
      m[k] = 0.9 * m[k] + 0.1 * g;
      v[k] = 0.999 * v[k] + 0.001 * g * g;
      const double first = m[k] / (1 - std::pow(0.9, count));
      const double second = v[k] / (1 - std::pow(0.999, count));
      w[k] -= learning_rate * first / (std::sqrt(second) + 1e-8);
    }
  }
};

void expect_near(const at::Tensor& actual, const std::vector<double>& expected) {
  ASSERT_EQ(static_cast<std::size_t>(actual.numel()), expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    EXPECT_NEAR(actual.const_data_ptr<double>()[k], expected[k], 1e-13) << k;
  }
}

TEST(Adam, IsThatOfPlainLoops) {
  at::Tensor parameters = random_tensor({5, 2}, 1);
  SlowAdam slow(parameters);
  Adam adam(parameters);
  for (std::uint64_t step = 0; step < 6; ++step) {
    // Columns of a wider tensor, as the gradient of the latents comes.
    const at::Tensor gradient = random_tensor({5, 3}, 10 + step).narrow(1, 1, 2);
    const double learning_rate = step < 3 ? 1e-2 : 3e-3;
    adam.step(parameters, gradient, factors_at(learning_rate, static_cast<std::int64_t>(step) + 1));
    slow.step(gradient, learning_rate);
    expect_near(parameters, slow.w);
    expect_near(adam.first_moment(), slow.m);
    expect_near(adam.second_moment(), slow.v);
  }
}

TEST(Adam, StartsAnewAfterAReset) {
  at::Tensor parameters = random_tensor({7}, 1);
  Adam adam(parameters);
  for (std::uint64_t step = 0; step < 4; ++step)
    adam.step(parameters, random_tensor({7}, 10 + step),
              factors_at(1e-2, static_cast<std::int64_t>(step) + 1));
  adam.reset();
  SlowAdam fresh(parameters);
  for (std::uint64_t step = 0; step < 4; ++step) {
    adam.step(parameters, random_tensor({7}, 20 + step),
              factors_at(1e-2, static_cast<std::int64_t>(step) + 1));
    fresh.step(random_tensor({7}, 20 + step), 1e-2);
    expect_near(parameters, fresh.w);
  }
}

TEST(Adam, LeavesAloneWhatHasNoGradient) {
  at::Tensor parameters = random_tensor({7}, 1);
  const at::Tensor before = parameters.clone();
  Adam adam(parameters);
  adam.step(parameters, at::zeros_like(parameters), factors_at(1, 1));
  EXPECT_TRUE(parameters.equal(before));
}

}  // namespace
}  // namespace weft
