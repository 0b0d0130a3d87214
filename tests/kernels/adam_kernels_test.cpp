#include "weft/kernels/adam_kernels.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cuda/adam_kernels.hpp"
#include "on_gpu.hpp"
#include "variants.hpp"

namespace weft {
namespace {

/// The kernels of the host, and those of a GPU, on the host and on one.
struct Chosen {
  static void step(auto... arguments) { adam_elements(arguments...); }
};
struct CudaOnHost {
  static void step(auto... arguments) { cuda::adam_elements(arguments..., nullptr); }
};
struct OnGpu {
  static void step(auto... arguments) { on_gpu::adam_elements(arguments...); }
};

template <typename T>
class AdamKernels : public testing::Test {};
using Variants = VariantsOf<OnGpu, Chosen, CudaOnHost>;
TYPED_TEST_SUITE(AdamKernels, Variants);

// Adam as Kingma & Ba (2015) write it, in double precision.
TYPED_TEST(AdamKernels, MatchTheSlowOne) {
  using T = typename TypeParam::T;
  const double tolerance = sizeof(T) == sizeof(double) ? 1e-13 : 1e-5;
  for (const std::int64_t count : {0, 1, 31, 33, 256, 1000}) {
    std::vector<T> w = random_values<T>(count, 1), m(w.size(), 0), v(w.size(), 0);
    std::vector<double> slow_w(w.begin(), w.end()), slow_m(w.size(), 0), slow_v(w.size(), 0);
    for (std::int64_t step = 1; step <= 4; ++step) {
      const std::vector<T> gradient = random_values<T>(count, 10 + static_cast<std::uint64_t>(step));
      const AdamFactors factors = adam_factors(0.01, step);
      TypeParam::Kernels::step(w.data(), m.data(), v.data(), gradient.data(), count, &factors);
      for (std::size_t k = 0; k < w.size(); ++k) {
        const auto g = static_cast<double>(gradient[k]);
        slow_m[k] = 0.9 * slow_m[k] + 0.1 * g;
        slow_v[k] = 0.999 * slow_v[k] + 0.001 * g * g;
        const double first = slow_m[k] / (1 - std::pow(0.9, step));
        const double second = slow_v[k] / (1 - std::pow(0.999, step));
        slow_w[k] -= 0.01 * first / (std::sqrt(second) + 1e-8);
        ASSERT_NEAR(w[k], slow_w[k], tolerance) << k << " of " << count << " at step " << step;
        ASSERT_NEAR(m[k], slow_m[k], tolerance);
        ASSERT_NEAR(v[k], slow_v[k], tolerance);
      }
    }
  }
}

}  // namespace
}  // namespace weft
