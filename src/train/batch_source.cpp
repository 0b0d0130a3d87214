#include "weft/train/batch_source.hpp"

#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include "weft/core/error.hpp"
#include "weft/model/tensor_kernels.hpp"

#include "train/tensor_vectors.hpp"

namespace weft {

BatchSource::BatchSource(const Device& device, TrainingData& data, std::int64_t entries, std::int64_t window,
                         std::int64_t budget_bytes)
    : resident_(device.is_host() || static_cast<std::int64_t>(2 * data.activity.nbytes()) <= budget_bytes),
      entries_(entries),
      window_(window) {
  const at::Device there = torch_device(device);
  at::Tensor activity = std::move(data.activity), derivative = std::move(data.derivative);
  if (resident_) {
    activity_ = activity.to(there);
    derivative_ = derivative.to(there);
    return;
  }
  const std::int64_t places = 2 * window * entries;
  // A GPU copies from memory that is pinned while the host goes on.
  const at::TensorOptions host = at::TensorOptions(at::kFloat).pinned_memory(there.is_cuda());
  for (at::Tensor* const ring : {&activity_, &derivative_})
    *ring = at::empty({places, activity.size(1)}, at::TensorOptions(at::kFloat).device(there));
  for (at::Tensor* const gathered : {&gathered_activity_, &gathered_derivative_})
    *gathered = at::empty({places, activity.size(1)}, host);
  all_activity_ = std::move(activity);
  all_derivative_ = std::move(derivative);
}

void BatchSource::stage(std::int64_t first_step, std::span<const std::int64_t> frames) {
  if (resident_ || frames.empty()) return;
  const std::int64_t first = first_step % (2 * window_) * entries_;
  const std::int64_t count = std::ssize(frames);
  require(count % entries_ == 0 && first % (window_ * entries_) + count <= window_ * entries_,
          "batches of one window");
  const auto bring = [&](const at::Tensor& all, const at::Tensor& gathered, const at::Tensor& ring) {
    at::Tensor host = gathered.narrow(0, first, count);
    at::index_select_out(host, all, 0, index_of(frames));
    ring.narrow(0, first, count).copy_(host, /*non_blocking=*/true);
  };
  bring(all_activity_, gathered_activity_, activity_);
  bring(all_derivative_, gathered_derivative_, derivative_);
}

}  // namespace weft
