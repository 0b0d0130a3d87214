#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "weft/io/checkpoint.hpp"

namespace weft {

/// Copies of arrays, in memory that is used again from one time to the next.
class ArrayCopies {
 public:
  void take(std::span<const ArrayView> arrays) {
    values_.resize(arrays.size());
    views_.assign(arrays.begin(), arrays.end());
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      std::visit([&](const auto& values) { views_[i].values = copy(values, values_[i]); }, arrays[i].values);
    }
  }
  /// Until the next `take`.
  std::span<const ArrayView> views() const { return views_; }

 private:
  using Values = std::variant<std::vector<float>, std::vector<double>, std::vector<std::int64_t>>;

  template <typename T>
  static std::span<const T> copy(std::span<const T> values, Values& kept) {
    const auto* const former = std::get_if<std::vector<T>>(&kept);
    // What was made for a far larger array is given back.
    if (former == nullptr || former->capacity() / 2 > values.size()) kept.emplace<std::vector<T>>();
    auto& own = std::get<std::vector<T>>(kept);
    own.assign(values.begin(), values.end());
    return own;
  }

  std::vector<Values> values_;
  std::vector<ArrayView> views_;
};

}  // namespace weft
