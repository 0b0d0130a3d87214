#include "weft/train/connectivity_optimizer.hpp"

#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"

namespace weft {
namespace {

template <typename T>
RowBlock<const T> rows_of(const at::Tensor& w) {
  return {w.const_data_ptr<T>(), w.size(0), w.size(1), w.stride(0)};
}

}  // namespace

ConnectivityOptimizer::ConnectivityOptimizer(at::Tensor connectivity, std::int64_t first_row,
                                             const Settings& settings)
    : connectivity_(std::move(connectivity)),
      first_moment_(at::zeros(connectivity_.sizes(), connectivity_.options())),
      second_moment_(at::zeros(connectivity_.sizes(), connectivity_.options())),
      first_row_(first_row),
      settings_(settings) {}

at::Tensor ConnectivityOptimizer::forward(const at::Tensor& psi) {
  at::Tensor product = at::empty({psi.size(0), connectivity_.size(0)}, connectivity_.options());
  if (waiting_) {
    apply(psi, product);
  } else {
    with_element_type(connectivity_, [&]<typename T>(T*) {
      row_product(rows_of<T>(connectivity_), psi.const_data_ptr<T>(), psi.size(0),
                  product.mutable_data_ptr<T>());
    });
  }
  return product;
}

at::Tensor ConnectivityOptimizer::backward(const at::Tensor& g) const {
  at::Tensor product = at::empty({g.size(0), connectivity_.size(1)}, connectivity_.options());
  with_element_type(connectivity_, [&]<typename T>(T*) {
    column_product(rows_of<T>(connectivity_), g.const_data_ptr<T>(), g.size(0),
                   product.mutable_data_ptr<T>());
  });
  return product;
}

void ConnectivityOptimizer::step(at::Tensor g, at::Tensor psi, double learning_rate) {
  flush();
  require(g.is_contiguous() && psi.is_contiguous() && g.size(0) == psi.size(0) &&
              g.size(1) == connectivity_.size(0) && psi.size(1) == connectivity_.size(1),
          "the factors of W's gradient do not fit W");
  waiting_ = Waiting{std::move(g), std::move(psi), learning_rate};
}

void ConnectivityOptimizer::flush() {
  if (!waiting_) return;
  const at::Tensor none = at::empty({0, connectivity_.size(1)}, connectivity_.options());
  at::Tensor nothing = at::empty({0, connectivity_.size(0)}, connectivity_.options());
  apply(none, nothing);
}

void ConnectivityOptimizer::apply(const at::Tensor& next, at::Tensor& product) {
  ++count_;
  const AdamFactors factors = adam_factors(waiting_->learning_rate, count_);
  with_element_type(connectivity_, [&]<typename T>(T*) {
    AdamRowStep<T> step;
    step.g = waiting_->g.const_data_ptr<T>();
    step.x = waiting_->psi.const_data_ptr<T>();
    step.batch = waiting_->g.size(0);
    step.first_row = first_row_;
    step.factors = &factors;
    step.l1 = settings_.l1;
    step.l2 = settings_.l2;
    adam_row_product({connectivity_.mutable_data_ptr<T>(), connectivity_.size(0), connectivity_.size(1),
                      connectivity_.stride(0)},
                     first_moment_.mutable_data_ptr<T>(), second_moment_.mutable_data_ptr<T>(), step,
                     next.const_data_ptr<T>(), next.size(0), product.mutable_data_ptr<T>());
  });
  waiting_.reset();
}

void ConnectivityOptimizer::reset() {
  flush();
  first_moment_.zero_();
  second_moment_.zero_();
  count_ = 0;
}

}  // namespace weft
