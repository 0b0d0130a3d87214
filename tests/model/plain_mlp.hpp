#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/relu.h>

#include "weft/model/mlp.hpp"

namespace weft {

/// What Mlp computes, said once more with the fewest words, for LibTorch to differentiate: (rows x inputs) to
/// (rows).
/// `flat` is laid out as Mlp::parameters().
inline at::Tensor plain_mlp(const at::Tensor& flat, const at::Tensor& input) {
  std::int64_t used = 0;
  const auto linear = [&](const at::Tensor& x, std::int64_t out) {
    const std::int64_t in = x.size(1);
    const at::Tensor weight = flat.narrow(0, used, out * in).view({out, in});
    const at::Tensor bias = flat.narrow(0, used + out * in, out);
    used += out * (in + 1);
    return x.matmul(weight.t()) + bias;
  };
  const at::Tensor first = at::relu(linear(input, Mlp::hidden));
  const at::Tensor second = at::relu(linear(first, Mlp::hidden));
  return linear(second, 1).squeeze(1);
}

}  // namespace weft
