#pragma once

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "weft/core/philox.hpp"

namespace weft {

/// Normal numbers, the same for the same seed.
template <typename T>
std::vector<T> random_values(std::int64_t count, std::uint64_t seed, double scale = 1) {
  const Philox random(seed, RandomStream::figures);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<T>(scale * random.normal(0, k));
  return values;
}

/// A precision and one of the sets of kernels that a test calls.
template <typename Scalar, typename Set>
struct Variant {
  using T = Scalar;
  using Kernels = Set;
};

/// What a test program goes through: the sets that run on the host or, where it is built for a GPU, that one.
#if defined(WEFT_ON_GPU)
template <typename OnGpu, typename... OnHost>
using VariantsOf = testing::Types<Variant<float, OnGpu>, Variant<double, OnGpu>>;
#else
template <typename OnGpu, typename... OnHost>
using VariantsOf = testing::Types<Variant<float, OnHost>..., Variant<double, OnHost>...>;
#endif

}  // namespace weft
