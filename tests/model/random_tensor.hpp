#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "weft/core/philox.hpp"

namespace weft {

/// Standard normal numbers in float64, the same in every run and on every rank.
inline at::Tensor random_tensor(at::IntArrayRef shape, std::uint64_t seed) {
  const Philox random(seed, RandomStream::figures);
  at::Tensor values = at::empty(shape, at::kDouble);
  double* value = values.mutable_data_ptr<double>();
  for (std::int64_t k = 0; k < values.numel(); ++k)
    value[k] = random.normal(0, static_cast<std::uint64_t>(k));
  return values;
}

}  // namespace weft
