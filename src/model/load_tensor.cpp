#include "weft/model/load_tensor.hpp"

#include <cstddef>
#include <span>
#include <vector>

#include <fmt/format.h>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"

namespace weft {

void load_rows(const Checkpoint& checkpoint, const std::string& name, GlobalRow first,
               const at::Tensor& into) {
  require(into.is_contiguous(), "rows are loaded into dense tensors");
  // No second copy of W on the host.
  const at::Tensor rows = into.is_cpu() ? into : at::empty(into.sizes(), into.scalar_type());
  with_element_type(rows, [&]<typename T>(T*) {
    checkpoint.read_rows(name, first, rows.size(0),
                         std::span(rows.mutable_data_ptr<T>(), static_cast<std::size_t>(rows.numel())));
  });
  if (!into.is_cpu()) into.copy_(rows);
}

void load_common(const Checkpoint& checkpoint, const std::string& name, const at::Tensor& into) {
  std::vector<double> values = checkpoint.read_common(name);
  if (std::ssize(values) != into.numel()) {
    throw UserError({checkpoint.folder().string(), fmt::format("{} holds {} numbers", name, values.size()),
                     std::to_string(into.numel()), "this checkpoint belongs to another model"});
  }
  into.copy_(at::from_blob(values.data(), into.sizes(), at::kDouble));
}

}  // namespace weft
