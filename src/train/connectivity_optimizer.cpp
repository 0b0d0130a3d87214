#include "weft/train/connectivity_optimizer.hpp"

#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/core/phase.hpp"
#include "weft/model/element_type.hpp"
#include "weft/model/tensor_kernels.hpp"

namespace weft {
namespace {

/// The numbers of `from`, in the memory of `to` where they fit.
void copy_over(at::Tensor& to, const at::Tensor& from) {
  if (to.defined() && to.sizes() == from.sizes()) {
    to.copy_(from);
  } else {
    to = from.clone();
  }
}

}  // namespace

ConnectivityOptimizer::ConnectivityOptimizer(at::Tensor connectivity, std::int64_t first_row,
                                             const Settings& settings)
    : connectivity_(std::move(connectivity)),
      first_moment_(at::zeros(connectivity_.sizes(), connectivity_.options())),
      second_moment_(at::zeros(connectivity_.sizes(), connectivity_.options())),
      first_row_(first_row),
      settings_(settings) {}

/// So many products of each weight with a number, and so many passes over an array of W's size.
void ConnectivityOptimizer::note_passes(std::int64_t products, int passes) const {
  const double weights = static_cast<double>(connectivity_.numel());
  note_work({2.0 * static_cast<double>(products) * weights,
             weights * static_cast<double>(passes * connectivity_.element_size())});
}

at::Tensor ConnectivityOptimizer::forward(const at::Tensor& psi) {
  at::Tensor product = at::empty({psi.size(0), connectivity_.size(0)}, connectivity_.options());
  if (waits_) {
    apply(psi, product);
  } else {
    note_passes(psi.size(0), 1);
    with_element_type(connectivity_, [&]<typename T>(T*) {
      kernels_of(connectivity_)
          .of<T>()
          .row_product(rows_of<T>(connectivity_), psi.const_data_ptr<T>(), psi.size(0),
                       product.mutable_data_ptr<T>());
    });
  }
  return product;
}

at::Tensor ConnectivityOptimizer::backward(const at::Tensor& g) const {
  note_passes(g.size(0), 1);
  at::Tensor product = at::empty({g.size(0), connectivity_.size(1)}, connectivity_.options());
  with_element_type(connectivity_, [&]<typename T>(T*) {
    kernels_of(connectivity_)
        .of<T>()
        .column_product(rows_of<T>(connectivity_), g.const_data_ptr<T>(), g.size(0),
                        product.mutable_data_ptr<T>());
  });
  return product;
}

void ConnectivityOptimizer::step(const at::Tensor& g, const at::Tensor& psi, const at::Tensor& factors) {
  flush();
  require(g.is_contiguous() && psi.is_contiguous() && g.size(0) == psi.size(0) &&
              g.size(1) == connectivity_.size(0) && psi.size(1) == connectivity_.size(1),
          "the factors of W's gradient do not fit W");
  require(factors.numel() == 2 && factors.scalar_type() == at::kDouble, "two Adam factors");
  copy_over(g_, g);
  copy_over(psi_, psi);
  copy_over(factors_, factors);
  waits_ = true;
}

void ConnectivityOptimizer::flush() {
  if (!waits_) return;
  const at::Tensor none = at::empty({0, connectivity_.size(1)}, connectivity_.options());
  at::Tensor nothing = at::empty({0, connectivity_.size(0)}, connectivity_.options());
  apply(none, nothing);
}

void ConnectivityOptimizer::apply(const at::Tensor& next, at::Tensor& product) {
  static_assert(sizeof(AdamFactors) == 2 * sizeof(double));
  note_passes(g_.size(0) + next.size(0), 6);  // W and its two moments are read and written
  with_element_type(connectivity_, [&]<typename T>(T*) {
    AdamRowStep<T> step;
    step.g = g_.const_data_ptr<T>();
    step.x = psi_.const_data_ptr<T>();
    step.batch = g_.size(0);
    step.first_row = first_row_;
    step.factors = reinterpret_cast<const AdamFactors*>(factors_.const_data_ptr<double>());
    step.l1 = settings_.l1;
    step.l2 = settings_.l2;
    kernels_of(connectivity_)
        .of<T>()
        .adam_row_product({connectivity_.mutable_data_ptr<T>(), connectivity_.size(0), connectivity_.size(1),
                           connectivity_.stride(0)},
                          first_moment_.mutable_data_ptr<T>(), second_moment_.mutable_data_ptr<T>(), step,
                          next.const_data_ptr<T>(), next.size(0), product.mutable_data_ptr<T>());
  });
  waits_ = false;
}

void ConnectivityOptimizer::reset() {
  flush();
  first_moment_.zero_();
  second_moment_.zero_();
}

}  // namespace weft
