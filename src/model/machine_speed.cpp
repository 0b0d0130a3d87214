#include "weft/model/machine_speed.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>

#include "weft/model/tensor_kernels.hpp"

namespace weft {
namespace {

constexpr int kRounds = 4;
constexpr std::int64_t kProductSize = 2048;
constexpr std::int64_t kNumbers = std::int64_t{1} << 25;

/// The best of a few rounds.
double seconds_of(Device& device, const std::function<void()>& work) {
  device.synchronize();
  double best = 1e300;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    device.synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

double measure_products(Device& device, c10::ScalarType type) {
  const at::Tensor a = at::rand({kProductSize, kProductSize}, type).to(torch_device(device));
  return 2.0 * kProductSize * kProductSize * kProductSize / seconds_of(device, [&] { at::mm(a, a); });
}

double measure_memory(Device& device) {
  at::Tensor a = at::ones({kNumbers}, at::TensorOptions(at::kFloat).device(torch_device(device)));
  return 2.0 * sizeof(float) * kNumbers / seconds_of(device, [&] { a.mul_(0.999); });
}

}  // namespace weft
