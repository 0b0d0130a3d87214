#include "bandwidth.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <benchmark/benchmark.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "weft/model/tensor_kernels.hpp"

namespace weft {
namespace {

constexpr std::int64_t kColumns = 8000;
constexpr std::int64_t kRows = 8000;
constexpr std::int64_t kNumbers = kRows * kColumns;
constexpr double kBytes = 4.0 * kNumbers;

double best_seconds(const std::function<void()>& work) {
  double best = 1e300;
  for (int round = 0; round < 8; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

Bandwidth measure_host_bandwidth() {
  const std::unique_ptr<float[]> from(new float[kNumbers]);
  const std::unique_ptr<float[]> to(new float[kNumbers]);
  float* const a = from.get();
  float* const b = to.get();
#pragma omp parallel for schedule(static)
  for (std::int64_t k = 0; k < kNumbers; ++k) a[k] = b[k] = static_cast<float>(k % 13);

  Bandwidth bandwidth{};
  bandwidth.read = kBytes / best_seconds([&] {
                     // 16 sums hide the latency of an addition.
                     float total = 0;
#pragma omp parallel for schedule(static) reduction(+ : total)
                     for (std::int64_t row = 0; row < kRows; ++row) {
                       float sums[16] = {};
                       for (std::int64_t k = row * kColumns; k < (row + 1) * kColumns; k += 16) {
                         for (int lane = 0; lane < 16; ++lane) sums[lane] += a[k + lane];
                       }
                       for (const float sum : sums) total += sum;
                     }
                     benchmark::DoNotOptimize(total);
                   });
  bandwidth.copy = 2 * kBytes / best_seconds([&] {
#pragma omp parallel for schedule(static)
                     for (std::int64_t k = 0; k < kNumbers; ++k) b[k] = a[k];
                     benchmark::ClobberMemory();
                   });
  bandwidth.update = 2 * kBytes / best_seconds([&] {
#pragma omp parallel for schedule(static)
                       for (std::int64_t k = 0; k < kNumbers; ++k) b[k] *= 0.999f;
                       benchmark::ClobberMemory();
                     });
  return bandwidth;
}

Bandwidth measure_device_bandwidth(Device& device) {
  constexpr int kCopies = 20;
  const at::Tensor from =
      at::zeros({kRows, kColumns}, at::TensorOptions(at::kFloat).device(torch_device(device)));
  at::Tensor to = at::zeros_like(from);
  const double seconds = best_seconds([&] {
    for (int k = 0; k < kCopies; ++k) to.copy_(from);
    device.synchronize();
  });
  const double copy = 2 * kBytes * kCopies / seconds;
  return {copy, copy, copy};
}

}  // namespace weft
