#include "train/tensor_sums.hpp"

#include <algorithm>
#include <numeric>

#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"

namespace weft {
namespace {

// Columns whose sums stay in the cache.
constexpr std::int64_t kColumns = 512;
// Numbers that go over ranks at a time.
constexpr std::int64_t kPart = std::int64_t{1} << 24;

template <typename T>
double dot_of(const T* a, const T* b, std::int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t j = 0; j < count; ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
  return sum;
}

template <typename T>
void add_products(const T* a, const T* b, std::int64_t count, double* sums) {
#pragma omp simd
  for (std::int64_t j = 0; j < count; ++j) sums[j] += static_cast<double>(a[j]) * static_cast<double>(b[j]);
}

/// Calls `work` on one run of the numbers after the other.
template <typename Work>
void for_parts(at::Tensor& values, Work work) {
  require(values.is_contiguous(), "a tensor that goes over ranks must be contiguous");
  const at::Tensor flat = values.view({-1});
  for (std::int64_t first = 0; first < flat.numel(); first += kPart) {
    at::Tensor part = flat.narrow(0, first, std::min(kPart, flat.numel() - first));
    work(part);
  }
}

void require_alike(const at::Tensor& a, const at::Tensor& b) {
  require(a.dim() == 2 && a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
              (a.size(1) <= 1 || (a.stride(1) == 1 && b.stride(1) == 1)),
          "two matrices of one shape, their rows dense");
}

}  // namespace

void sum_over(Communicator& group, at::Tensor& values) {
  if (group.size() == 1) return;
  for_parts(values, [&](at::Tensor& part) { group.all_reduce(buffer_of(part), Reduction::sum).wait(); });
}

void broadcast(Communicator& group, at::Tensor& values, int root) {
  if (group.size() == 1) return;
  for_parts(values, [&](at::Tensor& part) { group.broadcast(buffer_of(part), root).wait(); });
}

at::Tensor row_dots(const at::Tensor& a, const at::Tensor& b) {
  require_alike(a, b);
  at::Tensor dots = at::zeros({a.size(0)}, at::kDouble);
  double* const to = dots.mutable_data_ptr<double>();
  with_element_type(a, [&]<typename T>(T*) {
    const T* const pa = a.const_data_ptr<T>();
    const T* const pb = b.const_data_ptr<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < a.size(0); ++i)
      to[i] = dot_of(pa + i * a.stride(0), pb + i * b.stride(0), a.size(1));
  });
  return dots;
}

at::Tensor column_dots(const at::Tensor& a, const at::Tensor& b) {
  require_alike(a, b);
  at::Tensor dots = at::zeros({a.size(1)}, at::kDouble);
  double* const to = dots.mutable_data_ptr<double>();
  with_element_type(a, [&]<typename T>(T*) {
    const T* const pa = a.const_data_ptr<T>();
    const T* const pb = b.const_data_ptr<T>();
#pragma omp parallel for schedule(static)
    for (std::int64_t first = 0; first < a.size(1); first += kColumns) {
      const std::int64_t count = std::min(kColumns, a.size(1) - first);
      for (std::int64_t i = 0; i < a.size(0); ++i)
        add_products(pa + i * a.stride(0) + first, pb + i * b.stride(0) + first, count, to + first);
    }
  });
  return dots;
}

double products_of(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor dots = row_dots(a, b);
  const double* const values = dots.const_data_ptr<double>();
  return std::accumulate(values, values + dots.numel(), 0.0);
}

}  // namespace weft
