#include "weft/kernels/mlp_kernels.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <omp.h>

#include "kernels/cuda/mlp_kernels.hpp"
#include "kernels/isa/mlp_kernels.hpp"
#include "on_gpu.hpp"
#include "variants.hpp"

namespace weft {
namespace {

constexpr std::int64_t kHidden = kMlpHidden;

std::int64_t parameter_count(std::int64_t inputs) {
  return kHidden * (inputs + 1) + kHidden * (kHidden + 1) + kHidden + 1;
}

/// The network and the gradient of sum_r slope[r] output[r], one number after the other, in double precision.
struct SlowMlp {
  std::vector<double> first, second, output, gradient, first_gradient;

  template <typename T>
  SlowMlp(const std::vector<T>& parameters, std::int64_t inputs, const std::vector<T>& input,
          const std::vector<T>& slope)
      : first(slope.size() * kHidden),
        second(first.size()),
        output(slope.size()),
        gradient(parameters.size()),
        first_gradient(first.size()) {
    const std::int64_t bias0 = kHidden * inputs, weight1 = bias0 + kHidden,
                       bias1 = weight1 + kHidden * kHidden, weight2 = bias1 + kHidden,
                       bias2 = weight2 + kHidden;
    for (std::size_t r = 0; r < slope.size(); ++r) {
      double* const h1 = &first[r * kHidden];
      double* const h2 = &second[r * kHidden];
      double* const back1 = &first_gradient[r * kHidden];
      for (std::int64_t c = 0; c < kHidden; ++c) {
        h1[c] = parameters[bias0 + c];
        for (std::int64_t i = 0; i < inputs; ++i) {
          h1[c] += static_cast<double>(parameters[c * inputs + i]) * input[r * inputs + i];
        }
        h1[c] = std::max(0.0, h1[c]);
      }
      output[r] = parameters[bias2];
      gradient[bias2] += slope[r];
      for (std::int64_t c = 0; c < kHidden; ++c) {
        h2[c] = parameters[bias1 + c];
        for (std::int64_t k = 0; k < kHidden; ++k) h2[c] += parameters[weight1 + c * kHidden + k] * h1[k];
        h2[c] = std::max(0.0, h2[c]);
        output[r] += parameters[weight2 + c] * h2[c];
        gradient[weight2 + c] += slope[r] * h2[c];
        const double back = h2[c] > 0 ? static_cast<double>(slope[r]) * parameters[weight2 + c] : 0;
        gradient[bias1 + c] += back;
        for (std::int64_t k = 0; k < kHidden; ++k) {
          gradient[weight1 + c * kHidden + k] += back * h1[k];
          back1[k] += back * parameters[weight1 + c * kHidden + k];
        }
      }
      for (std::int64_t k = 0; k < kHidden; ++k) {
        if (h1[k] <= 0) back1[k] = 0;
        gradient[bias0 + k] += back1[k];
        for (std::int64_t i = 0; i < inputs; ++i)
          gradient[k * inputs + i] += back1[k] * input[r * inputs + i];
      }
    }
  }
};

/// The kernels as programs call them, those compiled for AVX2, which a machine with AVX-512 would never
/// choose, and a GPU's.
struct Chosen {
  static void forward(auto... arguments) { mlp_forward(arguments...); }
  static void backward(auto... arguments) { mlp_backward(arguments...); }
};
struct Avx2 {
  static void forward(auto... arguments) { avx2::mlp_forward(arguments...); }
  static void backward(auto... arguments) { avx2::mlp_backward(arguments...); }
};
struct CudaOnHost {
  static void forward(auto... arguments) { cuda::mlp_forward(arguments..., nullptr); }
  static void backward(auto... arguments) { cuda::mlp_backward(arguments..., nullptr); }
};
struct OnGpu {
  static void forward(auto... arguments) { on_gpu::mlp_forward(arguments...); }
  static void backward(auto... arguments) { on_gpu::mlp_backward(arguments...); }
};

template <typename T>
class MlpKernels : public testing::Test {};

using Variants = VariantsOf<OnGpu, Chosen, Avx2, CudaOnHost>;
TYPED_TEST_SUITE(MlpKernels, Variants);

template <typename T>
void expect_near(const std::vector<T>& actual, const std::vector<double>& expected, const char* what) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 1;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  const double tolerance = 200 * std::numeric_limits<T>::epsilon() * largest;
  for (std::size_t k = 0; k < actual.size(); ++k)
    ASSERT_NEAR(actual[k], expected[k], tolerance) << what << " at " << k;
}

TYPED_TEST(MlpKernels, ForwardAndBackwardMatchTheSlowOnes) {
  using T = typename TypeParam::T;
  const int threads = omp_get_max_threads();
  omp_set_num_threads(3);
  // Row counts below, at and beyond a tile, and enough for several threads.
  for (const std::int64_t rows : {1, 2, 5, 47, 48, 49, 100, 300}) {
    for (const std::int64_t inputs : {1, 3}) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << inputs << " inputs");
      const auto parameters = random_values<T>(parameter_count(inputs), 1, 0.2);
      const auto input = random_values<T>(rows * inputs, 2);
      const auto slope = random_values<T>(rows, 3);
      std::vector<T> first(static_cast<std::size_t>(rows * kHidden)), second(first.size()),
          first_gradient(first.size()), output(static_cast<std::size_t>(rows)),
          gradient(parameters.size(), T{0});

      TypeParam::Kernels::forward(parameters.data(), inputs, input.data(), rows, first.data(), second.data(),
                                  output.data());
      TypeParam::Kernels::backward(parameters.data(), inputs, input.data(),
                                   static_cast<const T*>(first.data()), static_cast<const T*>(second.data()),
                                   slope.data(), rows, gradient.data(), first_gradient.data());

      const SlowMlp slow(parameters, inputs, input, slope);
      expect_near(first, slow.first, "first layer");
      expect_near(second, slow.second, "second layer");
      expect_near(output, slow.output, "output");
      expect_near(gradient, slow.gradient, "gradient");
      expect_near(first_gradient, slow.first_gradient, "gradient of the first layer");
    }
  }
  omp_set_num_threads(threads);
}

TYPED_TEST(MlpKernels, TheGradientIsAdded) {
  using T = typename TypeParam::T;
  const auto parameters = random_values<T>(parameter_count(1), 1, 0.2);
  const auto input = random_values<T>(10, 2), slope = random_values<T>(10, 3);
  std::vector<T> first(10 * kHidden), second(first.size()), first_gradient(first.size()), output(10);
  std::vector<T> once(parameters.size(), T{0}), onto_one(parameters.size(), T{1});
  TypeParam::Kernels::forward(parameters.data(), std::int64_t{1}, input.data(), std::int64_t{10},
                              first.data(), second.data(), output.data());
  for (std::vector<T>* gradient : {&once, &onto_one}) {
    TypeParam::Kernels::backward(parameters.data(), std::int64_t{1}, input.data(),
                                 static_cast<const T*>(first.data()), static_cast<const T*>(second.data()),
                                 slope.data(), std::int64_t{10}, gradient->data(), first_gradient.data());
  }
  for (std::size_t k = 0; k < once.size(); ++k) {
    EXPECT_NEAR(onto_one[k], once[k] + 1, 10 * std::numeric_limits<T>::epsilon() * (2 + std::abs(once[k])))
        << k;
  }
}

TYPED_TEST(MlpKernels, OddPlacesInMemoryChangeNothing) {
  using T = typename TypeParam::T;
  constexpr std::int64_t kRows = 70, kInputs = 5;
  const auto parameters = random_values<T>(parameter_count(kInputs), 1, 0.2);
  const auto input = random_values<T>(kRows * kInputs, 2), slope = random_values<T>(kRows, 3);
  std::vector<std::vector<T>> results[2];
  for (const std::int64_t shift : {0, 1}) {
    const auto shifted = [&](std::vector<T> values) {
      values.insert(values.begin(), static_cast<std::size_t>(shift), T{7});
      return values;
    };
    const std::vector<T> p = shifted(parameters), x = shifted(input), s = shifted(slope);
    std::vector<T> first = shifted(std::vector<T>(kRows * kHidden)), second = first, first_gradient = first,
                   output = shifted(std::vector<T>(kRows)),
                   gradient = shifted(std::vector<T>(parameters.size()));
    TypeParam::Kernels::forward(p.data() + shift, kInputs, x.data() + shift, kRows, first.data() + shift,
                                second.data() + shift, output.data() + shift);
    TypeParam::Kernels::backward(p.data() + shift, kInputs, x.data() + shift,
                                 static_cast<const T*>(first.data() + shift),
                                 static_cast<const T*>(second.data() + shift), s.data() + shift, kRows,
                                 gradient.data() + shift, first_gradient.data() + shift);
    for (std::vector<T>* values : {&first, &second, &output, &gradient, &first_gradient}) {
      values->erase(values->begin(), values->begin() + shift);
      results[shift].push_back(*values);
    }
    expect_near(gradient, SlowMlp(parameters, kInputs, input, slope).gradient, "gradient");
  }
  EXPECT_EQ(results[0], results[1]);
}

// More tiles than a GPU's 396 blocks take in one turn, in either precision.
TYPED_TEST(MlpKernels, ManyRows) {
  using T = typename TypeParam::T;
  constexpr std::int64_t kRows = 51'000;
  for (const std::int64_t inputs : {1, 3}) {
    SCOPED_TRACE(testing::Message() << inputs << " inputs");
    const auto parameters = random_values<T>(parameter_count(inputs), 1, 0.2);
    const auto input = random_values<T>(kRows * inputs, 2), slope = random_values<T>(kRows, 3);
    std::vector<T> first(kRows * kHidden), second(first.size()), first_gradient(first.size()), output(kRows),
        gradient(parameters.size());
    TypeParam::Kernels::forward(parameters.data(), inputs, input.data(), kRows, first.data(), second.data(),
                                output.data());
    TypeParam::Kernels::backward(parameters.data(), inputs, input.data(), static_cast<const T*>(first.data()),
                                 static_cast<const T*>(second.data()), slope.data(), kRows, gradient.data(),
                                 first_gradient.data());
    const SlowMlp slow(parameters, inputs, input, slope);
    expect_near(output, slow.output, "output");
    expect_near(gradient, slow.gradient, "gradient");
    expect_near(first_gradient, slow.first_gradient, "gradient of the first layer");
  }
}

}  // namespace
}  // namespace weft
