#include "train/tensor_sums.hpp"

#include <algorithm>
#include <numeric>

#include <ATen/ops/empty.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"
#include "weft/model/tensor_kernels.hpp"

namespace weft {
namespace {

// Numbers that go over ranks at a time.
constexpr std::int64_t kPart = std::int64_t{1} << 24;

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
  at::Tensor dots = at::empty({a.size(0)}, a.options().dtype(at::kDouble));
  with_element_type(a, [&]<typename T>(T*) {
    kernels_of(a).of<T>().row_dots(rows_of<T>(a), rows_of<T>(b), dots.mutable_data_ptr<double>());
  });
  return dots;
}

at::Tensor column_dots(const at::Tensor& a, const at::Tensor& b) {
  require_alike(a, b);
  at::Tensor dots = at::empty({a.size(1)}, a.options().dtype(at::kDouble));
  with_element_type(a, [&]<typename T>(T*) {
    kernels_of(a).of<T>().column_dots(rows_of<T>(a), rows_of<T>(b), dots.mutable_data_ptr<double>());
  });
  return dots;
}

double products_of(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor dots = row_dots(a, b).cpu();
  const double* const values = dots.const_data_ptr<double>();
  return std::accumulate(values, values + dots.numel(), 0.0);
}

}  // namespace weft
